import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Report } from '@concord/events';
import { repairPagesOf } from '../../functions/reconcile/repair.ts';
import { runReconciliation } from '../../functions/reconcile/run.ts';
import { stage } from '../../functions/reconcile/stage.ts';
import { names } from '../../functions/reconcile/stored.ts';
import { CLOSED_US, FAKE_TABLE, type FakeRegion, fakeRegions, made } from '../support/fake-regions.ts';
import { drop, found, reconcile, three } from '../support/three-regions.ts';

describe('a run', () => {
  test('equal regions match, and nothing but digests is read', async () => {
    const all = three();
    const report = await reconcile(all);
    assert.deepEqual([report.verdict, report.errors, report.inconsistency], ['match', [], 0]);
    assert.deepEqual(report.tables[0]?.rows, { 'us-1': 21, 'eu-1': 21, 'ap-1': 21 });
    for (const { asked } of all.regions) assert.ok(!asked.includes('list') && !asked.includes('versions'));
  });

  test('empty tables match', async () => {
    const report = await reconcile(fakeRegions(['us-1', 'eu-1']));
    assert.deepEqual([report.verdict, report.tables[0]?.ranges], ['match', 1]);
  });

  test('each difference is found, who holds less, and what repair sends', async () => {
    const all = three();
    drop(all.eu, 'k11');
    all.ap.store(made({ id: 'k40', region: 'ap-1' }));
    drop(all.us, 'k15');
    all.us.store(made({ id: 'k15', region: 'us-1', stampUs: CLOSED_US - 9000 }));
    drop(all.eu, 'k30');
    all.eu.store(made({ id: 'k30', region: 'us-1', stampUs: CLOSED_US - 9000 }));
    drop(all.ap, 'k30');
    drop(all.us, 'k20');
    all.us.store(made({ id: 'k20', region: 'us-1', label: null }));
    const report = await reconcile(all, { repair: true });
    const corrupt = found(report).find((text) => text.startsWith('k20'));
    assert.match(corrupt ?? '', /^k20 corrupt (us-1:content|ap-1:content eu-1:content|eu-1:content ap-1:content)$/);
    assert.deepEqual(
      found(report).filter((text) => text !== corrupt),
      [
        'k11 diverged eu-1:missing',
        'k15 diverged us-1:stale',
        'k30 diverged ap-1:lost_tombstone eu-1:resurrected',
        'k40 diverged eu-1:missing us-1:missing',
      ],
    );
    assert.equal(report.inconsistency, 5 / 21);
    assert.deepEqual(report.tables[0]?.after, { verdict: 'match', differences: 0 });
    const sent = Object.values(report.tables[0]?.repaired ?? {}).reduce((sum, count) => sum + count, 0);
    assert.equal(sent, corrupt?.includes('us-1') ? 7 : 8);
    assert.equal((all.us.kept as Report).run, report.run);
    assert.equal((await reconcile(all)).verdict, 'match');
  });

  test('without repair nothing is written, and the store says what would be', async () => {
    const all = three();
    drop(all.eu, 'k11');
    const report = await reconcile(all, {}, 'dry');
    assert.equal(report.verdict, 'diverged');
    for (const { asked } of all.regions) assert.ok(!asked.includes('repair'));
    const pages = await Array.fromAsync(repairPagesOf(all.context, 'dry', 'eu-1'));
    assert.deepEqual(
      pages.flatMap(({ versions }) => versions.map(({ event }) => event.id)),
      ['k11'],
    );
  });

  test('a collation that sorts otherwise invents nothing and hides nothing', async () => {
    const all = three();
    all.eu.order = (a, b) => (a > b ? -1 : a < b ? 1 : 0);
    assert.deepEqual(found(await reconcile(all)), []);
    drop(all.ap, 'k12');
    drop(all.eu, 'k27');
    assert.deepEqual(found(await reconcile(all)), ['k12 diverged ap-1:missing', 'k27 diverged eu-1:missing']);
  });

  test('a key that another order brings up twice is one difference', async () => {
    const all = fakeRegions(['us-1', 'eu-1']);
    const [us, eu] = all.regions as [FakeRegion, FakeRegion];
    for (let n = 100; n < 200; n++) us.store(made({ id: `k${n}`, region: 'us-1' }));
    for (let n = 100; n < 200; n++) eu.store(made({ id: `k${n}`, region: 'us-1', stampUs: CLOSED_US - 2000 - n }));
    eu.order = (a, b) => (a > b ? -1 : a < b ? 1 : 0);
    const report = await reconcile(all, { repair: true });
    assert.deepEqual(report.tables[0]?.counts, { in_flight: 0, diverged: 100, corrupt: 0 });
    assert.deepEqual(report.tables[0]?.repaired, { 'eu-1': 100 });
  });

  test('a region that gives digests of a range at a time gives all of them', async () => {
    const all = three();
    all.eu.atOnce = 1;
    drop(all.eu, 'k29');
    assert.deepEqual(found(await reconcile(all)), ['k29 diverged eu-1:missing']);
  });

  test('what was stamped after the closed timestamp is in flight and is not sent', async () => {
    const all = three();
    all.us.store(made({ id: 'k40', region: 'us-1', stampUs: CLOSED_US }));
    const report = await reconcile(all, { repair: true });
    assert.deepEqual(found(report), ['k40 in_flight ap-1:missing eu-1:missing']);
    assert.deepEqual([report.verdict, report.tables[0]?.repaired], ['in_flight', {}]);
    assert.deepEqual(all.eu.of('k40'), []);
  });

  test('thousands of keys in flight do not push a diverged one out of the report', async () => {
    const all = fakeRegions(['us-1', 'eu-1']);
    for (let n = 1000; n < 3000; n++)
      all.regions[0]?.store(made({ id: `k${n}`, region: 'us-1', stampUs: CLOSED_US + n }));
    all.regions[0]?.store(made({ id: 'z', region: 'us-1' }));
    const report = await reconcile(all, { repair: true });
    assert.deepEqual(report.tables[0]?.counts, { in_flight: 2000, diverged: 1, corrupt: 0 });
    assert.equal(report.tables[0]?.differences.length, 1000);
    assert.deepEqual(report.tables[0]?.differences[0]?.key, ['z']);
    assert.deepEqual(report.tables[0]?.repaired, { 'eu-1': 1 });
  });

  test('what a region has not applied yet is in flight, and the report says whose', async () => {
    const all = three();
    const slow = Array.from({ length: all.topology.topics.partitions }, () => CLOSED_US - 5000);
    all.ap.state = { applied: { 'us-1': slow, 'eu-1': slow.map(() => CLOSED_US) } };
    drop(all.ap, 'k11');
    all.eu.store(made({ id: 'k41', region: 'eu-1' }));
    const report = await reconcile(all);
    assert.deepEqual(found(report), ['k11 in_flight ap-1:missing', 'k41 diverged ap-1:missing us-1:missing']);
    assert.deepEqual(report.errors, ['ap-1 has not applied all of us-1: what it lacks of that counts as in flight']);
  });

  test('unsettled and parked keys wait for their own decision', async () => {
    const all = three();
    for (const id of ['k11', 'k12']) drop(all.eu, id);
    all.eu.unsettled.add('k11');
    all.eu.parked.add('k12');
    const report = await reconcile(all, { repair: true });
    assert.deepEqual(found(report), ['k11 in_flight eu-1:unsettled', 'k12 in_flight eu-1:parked']);
    assert.deepEqual(report.tables[0]?.repaired, {});
  });

  test('a tombstone below the greatest horizon is nothing; the row that it ended comes back from nowhere', async () => {
    const all = three();
    all.us.table = { horizonUs: CLOSED_US - 500 };
    drop(all.us, 'k30');
    assert.equal((await reconcile(all)).verdict, 'match');
    all.ap.store(made({ id: 'k30', region: 'us-1', stampUs: CLOSED_US - 9000 }));
    drop(all.ap, 'k30');
    all.ap.store(made({ id: 'k30', region: 'us-1', stampUs: CLOSED_US - 9000 }));
    const report = await reconcile(all, { repair: true });
    assert.deepEqual(found(report), ['k30 diverged ap-1:resurrected']);
    assert.deepEqual(
      all.ap.of('k30').map(({ place }) => place),
      ['tombstone'],
    );
  });

  test('mode recent looks at what was stamped since the last match', async () => {
    const all = three();
    const first = await reconcile(all, { mode: 'recent' });
    assert.match(first.errors.join(), /never found equal/);
    assert.equal(first.tables[0]?.rows['us-1'], 21);
    const later = { closedUs: CLOSED_US + 5000 };
    for (const region of all.regions) {
      const applied = Object.fromEntries(
        all.topology.regions.map(({ name }) => [name, Array.from({ length: 8 }, () => CLOSED_US + 5000)]),
      );
      region.state = { ...later, applied };
    }
    all.us.store(made({ id: 'k50', region: 'us-1', stampUs: CLOSED_US + 10 }));
    const report = await reconcile(all, { mode: 'recent' });
    assert.deepEqual([report.errors, report.tables[0]?.rows['us-1']], [[], 1]);
    assert.deepEqual(found(report), ['k50 diverged ap-1:missing eu-1:missing']);
  });
});

test('mode recent looks again at what was found and not repaired', async () => {
  const all = three();
  drop(all.eu, 'k11');
  await reconcile(all, { mode: 'stamps' });
  assert.deepEqual(found(await reconcile(all, { mode: 'recent' })), ['k11 diverged eu-1:missing']);
});

describe('a run that is disturbed', () => {
  test('a region that dies after the plan leaves the others compared, and the same run goes on when it is back', async () => {
    const all = three();
    drop(all.eu, 'k11');
    all.ap.fails = (request) => ('do' in request && request.do === 'digest' ? new Error('gone') : undefined);
    const report = await reconcile(all, {}, 'died');
    assert.equal(report.verdict, 'incomplete');
    assert.match(report.errors.join('\n'), /part 0 of public.items could not be read in ap-1: gone/);
    assert.deepEqual(found(report), ['k11 diverged eu-1:missing']);
    all.ap.fails = () => undefined;
    const asked = all.ap.asked.length;
    drop(all.ap, 'k28');
    const again = await reconcile(all, {}, 'died');
    assert.ok(all.ap.asked.slice(asked).includes('digest'), 'an incomplete part is compared again');
    assert.equal(again.verdict, 'diverged');
    assert.deepEqual(found(again), ['k11 diverged eu-1:missing', 'k28 diverged ap-1:missing']);
  });

  test('a region that dies while its versions are read: incomplete, never equal', async () => {
    const all = three();
    drop(all.ap, 'k11');
    all.ap.fails = (request) => ('do' in request && request.do === 'list' ? new Error('gone') : undefined);
    const report = await reconcile(all, {}, 'unread');
    assert.equal(report.verdict, 'incomplete');
    assert.match(report.errors.join('\n'), /public.items could not be read in ap-1: gone/);
    all.ap.fails = () => undefined;
    assert.deepEqual(found(await reconcile(all, {}, 'unread')), ['k11 diverged ap-1:missing']);
  });

  test('a repair that fails in one region repairs the others, says so, and goes on', async () => {
    const all = three();
    drop(all.ap, 'k11');
    drop(all.eu, 'k12');
    all.ap.fails = (request) => ('versions' in request ? new Error('read only') : undefined);
    const report = await reconcile(all, { repair: true }, 'half');
    assert.match(report.errors.join('\n'), /the repair of ap-1 is not complete: read only/);
    assert.equal(all.eu.of('k12').length, 1);
    assert.deepEqual(report.tables[0]?.after, { verdict: 'diverged', differences: 1 });
    all.ap.fails = () => undefined;
    const sent = all.eu.asked.filter((request) => request === 'repair').length;
    const again = await reconcile(all, { repair: true }, 'half');
    assert.deepEqual(again.tables[0]?.after, { verdict: 'match', differences: 0 });
    assert.equal(
      all.eu.asked.filter((request) => request === 'repair').length,
      sent,
      'what was sent is not sent again',
    );
  });

  test('stages that are repeated answer the same and read nothing again', async () => {
    const all = three();
    drop(all.eu, 'k11');
    const input = {};
    const run = 'repeated';
    const first = await stage(all.context, { do: 'plan', run, input });
    assert.deepEqual(await stage(all.context, { do: 'plan', run, input }), first);
    await stage(all.context, { do: 'ready', run });
    for (const part of first.parts) {
      const once = await stage(all.context, { do: 'compare', run, ...part });
      const asked = all.us.asked.length;
      assert.deepEqual(await stage(all.context, { do: 'compare', run, ...part }), once);
      assert.equal(all.us.asked.length, asked);
    }
    const judged = await stage(all.context, { do: 'judge', run, table: FAKE_TABLE });
    assert.deepEqual(judged, { verdict: 'diverged', differences: 1 });
    const asked = all.us.asked.length;
    assert.deepEqual(await stage(all.context, { do: 'judge', run, table: FAKE_TABLE }), judged);
    assert.equal(all.us.asked.length, asked);
    await assert.rejects(
      stage(all.context, { do: 'plan', run, input: { mode: 'stamps' } }),
      /begun with another input/,
    );
  });

  test('two runs at once find and repair the same', async () => {
    const all = three();
    for (const id of ['k11', 'k12', 'k28']) drop(all.eu, id);
    all.ap.store(made({ id: 'k40', region: 'ap-1' }));
    const reports = await Promise.all([reconcile(all, { repair: true }), reconcile(all, { repair: true })]);
    for (const report of reports) assert.equal(report.tables[0]?.after?.verdict, 'match');
    assert.deepEqual((await reconcile(all)).verdict, 'match');
  });

  test('a run that is stopped between two stages goes on', async () => {
    const all = three();
    drop(all.eu, 'k11');
    const stop = new AbortController();
    const stopped = runReconciliation(
      all.context,
      { run: 'stopped', input: {} },
      { waitMs: 0, signal: stop.signal, onProgress: ({ stage: now }) => now === 'judge' && stop.abort() },
    );
    await assert.rejects(stopped, { name: 'AbortError' });
    assert.deepEqual(found(await reconcile(all, {}, 'stopped')), ['k11 diverged eu-1:missing']);
  });

  test('a stage without time does not answer, and goes on when it is asked again', async () => {
    const all = three();
    drop(all.eu, 'k11');
    const run = 'late';
    const { parts } = await stage(all.context, { do: 'plan', run, input: { repair: true } });
    for (const part of parts) await stage(all.context, { do: 'compare', run, ...part });
    const late = { ...all.context, deadlineMs: all.context.now() / 1000 + 1000 };
    await assert.rejects(
      stage(late, { do: 'judge', run, table: FAKE_TABLE }),
      /0 of 1 ranges .* the same request goes on/,
    );
    await stage(all.context, { do: 'judge', run, table: FAKE_TABLE });
    assert.deepEqual(await stage(late, { do: 'repair', run, region: 'eu-1' }), { done: false, sent: 0 });
    assert.deepEqual(await stage(all.context, { do: 'repair', run, region: 'eu-1' }), { done: true, sent: 1 });
  });

  test('an answer that is too large is asked for in halves', async () => {
    const all = three();
    for (const id of ['k11', 'k12', 'k13', 'k14', 'k15']) drop(all.eu, id);
    all.us.fails = (request) =>
      'do' in request && request.do === 'versions' && request.keys.length > 2
        ? new Error('Function.ResponseSizeTooLarge')
        : undefined;
    assert.equal(found(await reconcile(all)).length, 5);
  });
});

test('the page of a report escapes what it shows, and needs nothing else', async () => {
  const all = three();
  const label = '<script>alert(1)</script>';
  drop(all.us, 'k11');
  all.us.store(made({ id: 'k11', region: 'us-1', label }));
  await reconcile(all, {}, 'shown');
  const page = String(await all.context.store.read(names.page('shown')));
  assert.match(page, /<td><code>&lt;script&gt;alert\(1\)/);
  assert.doesNotMatch(page, /<script|src=|href=/);
  assert.match(page, /has other contents under the same stamp/);
});
