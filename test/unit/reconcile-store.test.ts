import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { RunStore } from '../../functions/reconcile/context.ts';
import { folderStore, memoryStore, pathOf } from '../../local/reconcile/store.ts';
import { watchedRegions, watchedStore } from '../../local/reconcile/watched.ts';

const folder = mkdtempSync(join(tmpdir(), 'concord-store-'));
after(() => rmSync(folder, { recursive: true }));

const stores: [name: string, store: RunStore][] = [
  ['a folder', folderStore(folder)],
  ['memory', memoryStore()],
];

for (const [name, store] of stores)
  describe(`a store of runs in ${name}`, () => {
    test('knows nothing of what was never written', async () =>
      assert.equal(await store.read('runs/none/plan.json'), undefined));
    test('gives back a copy of what was written last', async () => {
      const value = { tables: ['public.a'], rows: 1.5, nothing: null };
      await store.write('runs/1/plan.json', { first: true });
      await store.write('runs/1/plan.json', value);
      const read = await store.read('runs/1/plan.json');
      assert.deepEqual(read, value);
      assert.notEqual(read, value);
    });
    test('keeps a page as its text', async () => {
      await store.write('runs/1/report.html', '<p>"ü"\n');
      assert.equal(await store.read('runs/1/report.html'), '<p>"ü"\n');
    });
    test('tells names apart that a file system may not', async () => {
      const names = ['A', 'a', 'a%41', '..', 'é', 'x'.repeat(300), `${'x'.repeat(299)}y`, 'a~b', '.hidden'];
      for (const part of names) await store.write(`runs/1/tables/${part}/judged.json`, { part });
      for (const part of names) assert.deepEqual(await store.read(`runs/1/tables/${part}/judged.json`), { part });
    });
  });

describe('a folder', () => {
  test('is never left, whatever a name holds', () => {
    for (const name of ['../../etc/passwd', 'runs/../../x', '/etc/passwd', '..'])
      assert.ok(pathOf('/store', name).startsWith('/store/'), name);
  });
  test('is for its owner alone, and holds no drafts', async () => {
    await folderStore(folder).write('last/x.json', 1);
    assert.equal(statSync(join(folder, 'last/x.json')).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'last')).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(folder, 'last')), ['x.json']);
    assert.equal(readFileSync(join(folder, 'last/x.json'), 'utf8'), '1');
  });
  test('that cannot be written rejects', async () => {
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(folderStore(join(folder, 'file')).write('runs/1/plan.json', {}), { code: /^E/ });
  });
});

test('after the signal nothing is asked, answered or kept: not even a failure', async () => {
  const stop = new AbortController();
  const gate = Promise.withResolvers<never>();
  const asked: string[] = [];
  const regions = watchedRegions(
    {
      digest: (region) => {
        asked.push(region);
        return gate.promise;
      },
      repair: () => Promise.reject(new Error('asked')),
    },
    stop.signal,
  );
  const inner = memoryStore();
  const store = watchedStore(inner, stop.signal);
  let settled = 0;
  const note = (promise: Promise<unknown>): unknown =>
    promise.then(
      () => settled++,
      () => settled++,
    );
  note(regions.digest('a', { do: 'state', tables: [] }));
  stop.abort();
  gate.reject(new Error('the connection was closed'));
  note(regions.digest('b', { do: 'state', tables: [] }));
  note(regions.repair('b', { run: '1', table: 't', key: ['id'], versions: [], versionsPerSecond: 1 }));
  note(store.write('runs/1/plan.json', {}));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([settled, asked, await inner.read('runs/1/plan.json')], [0, ['a'], undefined]);
});
