import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { exchange } from '../support/exchange.ts';
import { createRegions, type Region } from '../support/regions.ts';

const CONCORD = new URL('../../cli/concord.js', import.meta.url).pathname;
const T = 'public.orders';

describe('concord conflicts and reinstate', { timeout: 120_000 }, () => {
  const cluster = useCluster();
  let regions: Region[] = [];
  let url = '';
  let id = 0;

  before(async () => {
    regions = await createRegions(await cluster(), {
      names: ['us', 'eu', 'ap'],
      schema: 'create table orders (id bigint primary key, state text, amount numeric)',
      tables: [{ name: T, review: 'manual' }],
    });
    url = regions[0]?.database.url('concord_operator') ?? '';
  });

  async function concord(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [CONCORD, ...args, '--url', url], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code, out, err };
  }

  /** An order that two regions change at once; us loses. Returns the id of the conflict. */
  async function conflict(): Promise<string> {
    const [us, eu] = regions as [Region, Region];
    const key = ++id;
    await us.session().run(`insert into orders values (${key}, 'new', 1.50)`);
    await exchange(regions, T);
    await us.session().run(`update orders set state = 'paid' where id = ${key}`);
    await eu.session().run(`update orders set state = null, amount = 2 where id = ${key}`);
    await exchange(regions, T);
    const { out } = await concord('conflicts', '--key', `${key}`, '--json');
    return JSON.parse(out).conflicts[0].id;
  }

  const stateOf = async (key: number): Promise<unknown> =>
    (await regions[0]?.sql.unsafe('select state from orders where id = $1', [key]))?.[0]?.state;

  test('list: a line per conflict, counts, and filters', async () => {
    const conflictId = await conflict();
    const { code, out, err } = await concord('conflicts', '--open', '--table', T, '--since', '1h', '--limit', '1');
    assert.deepEqual([code, err], [0, '']);
    const [header, line, summary] = out.split('\n');
    assert.match(header ?? '', /^id +logged +table +key +kind +rule +lost +by +to +state$/);
    assert.match(
      line ?? '',
      new RegExp(`^${conflictId.slice(0, 12)}  \\S+Z  public\\.orders .*update_origin_differs  lww .* us  eu  open$`),
    );
    assert.match(summary ?? '', /^1 of \d+ conflicts \(\d+ open\)/);
    assert.equal((await concord('conflicts', '--kind', 'insert_exists')).out, '0 of 0 conflicts\n');
  });

  test('show: both versions, what they differ in, and what stands now', async () => {
    const conflictId = await conflict();
    const { out } = await concord('conflicts', 'show', conflictId.slice(0, 12));
    assert.match(out, new RegExp(`^conflict ${conflictId}\n`));
    assert.match(out, /winner +written in eu at \d{4}-/);
    assert.match(out, /now +unchanged since the conflict was decided/);
    assert.match(out, /^state +"paid" +NULL +NULL$/m);
    assert.equal((await concord('conflicts', conflictId)).out, out);
    await regions[2]?.session().run(`update orders set amount = 3 where id = ${id}`);
    await exchange(regions, T);
    assert.match((await concord('conflicts', conflictId)).out, /now +changed since: written in ap at /);
  });

  test('reinstate: nothing without a yes, then one write', async () => {
    const conflictId = await conflict();
    const unasked = await concord('reinstate', conflictId);
    assert.equal(unasked.code, 1);
    assert.match(
      unasked.err,
      /^will update the row of public\.orders, key \d+\n {2}state: NULL → "paid"\n {2}amount: "2" → "1\.50"\n/,
    );
    assert.match(unasked.err, /error: nobody is there to say yes\nhint: add --yes/);
    assert.equal(await stateOf(id), null);
    assert.match((await concord('reinstate', conflictId, '--dry-run')).out, /^would update the row/);
    const { code, out, err } = await concord('reinstate', conflictId, '--set', 'amount=7', '--yes', '--json');
    assert.deepEqual([code, err], [0, '']);
    assert.deepEqual([JSON.parse(out).action, JSON.parse(out).conflict.state], ['update', 'reinstated']);
    assert.equal(await stateOf(id), 'paid');
    const again = await concord('reinstate', conflictId, '--yes');
    assert.equal(again.code, 1);
    assert.match(again.err, /^error: conflict \w{12} was reinstated by concord_operator at .*\nhint: /);
  });

  test('dismiss: asked for, and told', async () => {
    const conflictId = await conflict();
    assert.match((await concord('conflicts', 'dismiss', conflictId)).err, /nobody is there to say yes/);
    assert.match((await concord('conflicts', 'dismiss', conflictId, '--yes')).out, /: dismissed\n$/);
    assert.equal(JSON.parse((await concord('conflicts', conflictId, '--json')).out).conflict.state, 'dismissed');
  });

  test('statistics, and pages', async () => {
    await conflict();
    assert.match(
      (await concord('conflicts', '--stats')).out,
      /^table +kind +total +logged +open +reinstated +dismissed +last\n/,
    );
    const first = JSON.parse((await concord('conflicts', '--limit', '1', '--json')).out);
    const second = JSON.parse((await concord('conflicts', '--limit', '1', '--after', first.next, '--json')).out);
    assert.notEqual(first.conflicts[0].id, second.conflicts[0].id);
  });

  test('what cannot be is said, with exit code 2 for bad usage', async () => {
    for (const [args, message, code] of [
      [['conflicts', '--state', 'lost'], /Allowed choices are/, 2],
      [['conflicts', '--since', 'yesterday'], /45m, 2h, 3d/, 2],
      [['conflicts', '--key', '["1"'], /JSON array of texts/, 2],
      [['reinstate', '12345678', '--set', 'x'], /<column>=<value>/, 2],
      [['reinstate'], /missing required argument/, 2],
      [['conflicts', 'show', 'deadbeefdeadbeef'], /no conflict deadbeefdeadbeef in this region's log/, 1],
      [['reinstate', 'nothex', '--yes'], /is not the id of a conflict/, 1],
    ] as const) {
      const result = await concord(...args);
      assert.match(result.err, message);
      assert.equal(result.code, code, args.join(' '));
    }
  });
});
