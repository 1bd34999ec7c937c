import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { collect } from '../../functions/digest/collect.ts';
import { closeGaps } from '../../functions/lifecycle/gaps.ts';
import { withConnection } from '../../local/region/connection.ts';
import { rejoinTable } from '../../local/region/rejoin-table.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Region, type Regions, startRegions } from '../../local/region.ts';
import { acknowledgedWrites } from '../support/acknowledged.ts';
import { assertSame, beginLoad, loadOne, repairAll, stopLoads } from '../support/lifecycle.ts';
import { ITEMS } from '../support/under-load.ts';

const TABLE = 'public.items';
const [A, B, C] = ['us-east-1', 'eu-west-1', 'ap-south-1'] as const;

let regions: Regions;
before(async () => {
  const { template } = await makeTemplate({ database: 'app', load: (db) => db.unsafe(ITEMS).simple() });
  regions = await startRegions({ regions: [A, B, C], template, tables: [TABLE] });
  await template.remove();
});
after(async () => {
  await stopLoads();
  await regions.stop();
});

const run = ({ url }: Region, statement: string) => withConnection(url(), (sql) => sql.unsafe(statement));
const insert = (region: Region, from: number, to: number) =>
  run(region, `insert into items select n, 'x' from generate_series(${from}, ${to}) n`);
const ids = async (region: Region, from: number, to: number): Promise<number> =>
  Number((await run(region, `select count(*) as n from items where id between ${from} and ${to}`))[0]?.n);

/** µs up to which a region has applied what another one has stamped. */
const appliedUs = async (into: Region, from: string): Promise<number> => {
  const [row] = await run(
    into,
    `select coalesce(min((extract(epoch from closed_at) * 1000000)::int8), 0)::text as us from concord.applied_closed where topic = 'cdc.${from}'`,
  );
  return Number(row?.us);
};
const latestUs = async (region: Region): Promise<number> =>
  Number(
    (await run(region, 'select (extract(epoch from max(_last_updated)) * 1000000)::int8::text as us from items'))[0]
      ?.us,
  );

async function closed(into: Region, from: string, us: number): Promise<void> {
  while ((await appliedUs(into, from)) <= us) await delay(50);
}

test('a region that was away longer than tombstones are kept: what was deleted stays deleted, what never got out gets out', async () => {
  const [a, b, c] = [A, B, C].map((name) => regions.named(name)) as [Region, Region, Region];
  const acknowledged = acknowledgedWrites();
  // Of each of them, and all of it everywhere.
  await Promise.all([insert(a, 9001, 9020), insert(b, 9021, 9040), insert(c, 9041, 9060)]);
  await regions.drained();
  const latest = await latestUs(a);
  for (const from of [A, B, C])
    for (const into of regions.all) if (into.name !== from) await closed(into, from, latest);

  regions.cutOff(C);
  await insert(c, 9101, 9120);
  await regions.evict(C);
  const load = beginLoad([a, b], acknowledged, 7301);
  const away = beginLoad([c], acknowledged, 7302);
  await run(a, 'delete from items where id between 9001 and 9050');
  await Promise.all([load.written(200), away.written(100)]);
  await away.stop();
  await insert(c, 9121, 9140);
  await regions.drained();
  // Without it their tombstones go.
  const horizonUs = await latestUs(a);
  for (const region of [a, b]) {
    await withConnection(region.url(), (sql) => collect(sql, { table: TABLE, horizonUs, limit: 1_000_000 }));
    assert.equal((await run(region, 'select from concord_public.items where id between 9001 and 9050')).length, 0);
  }
  assert.equal(await ids(c, 9001, 9050), 50, 'it holds what the others have forgotten');

  const entry = regions.topology.formerRegions.find(({ name }) => name === C);
  assert.ok(entry);
  const rejoined = await rejoinTable({
    ...{ table: TABLE, region: C, applyUrl: c.url('concord_apply') },
    topology: { ...regions.topology, regions: [...regions.topology.regions, entry], formerRegions: [] },
    urls: new Map([a, b, c].map(({ name, url }) => [name, url()])),
  });
  assert.ok(rejoined.deleted >= 50, `${rejoined.deleted} deleted`);
  assert.ok(rejoined.undelivered >= 40, `${rejoined.undelivered} undelivered`);
  assert.deepEqual([await ids(c, 9001, 9050), await ids(c, 9051, 9060), await ids(c, 9101, 9140)], [0, 10, 40]);

  await regions.readmit(c);
  regions.reconnect(C);
  const back = beginLoad([c], acknowledged, 7303);
  // What it missed, and then what nobody has had of it.
  await loadOne(regions, TABLE, A, C);
  assert.ok((await repairAll(regions)) >= 20, 'what never got out goes out');
  await Promise.all([load.written(200), back.written(100)]);
  await Promise.all([load.stop(), back.stop()]);
  await assertSame(regions, acknowledged);
  for (const region of regions.all)
    assert.deepEqual([await ids(region, 9001, 9050), await ids(region, 9101, 9140)], [0, 40], region.name);
  assert.deepEqual(
    regions.topology.regions.map(({ slot }) => slot),
    [0, 1, 2],
    'with the slot that it had',
  );
});

test('a topic that is made again: what was lost with it is found, and nothing else changes', async () => {
  const [a, b] = [regions.named(A), regions.named(B)];
  const acknowledged = acknowledgedWrites();
  const load = beginLoad([...regions.all], acknowledged, 7304);
  await load.written(200);
  regions.holdInbound(B);
  await insert(a, 9201, 9220);
  await load.written(100);
  await regions.recreateTopic(A);
  regions.releaseInbound(B);
  await load.written(100);
  await load.stop();
  await regions.drained();
  assert.equal(await ids(b, 9201, 9220), 0, 'they were lost with the topic');
  assert.ok((await repairAll(regions)) >= 20, 'found');
  await assertSame(regions, acknowledged);
  assert.equal(await ids(b, 9201, 9220), 20);
});

test('a region whose unread records are gone: it holds back what others may forget until it was loaded', async () => {
  const [a, b] = [regions.named(A), regions.named(B)];
  const acknowledged = acknowledgedWrites();
  await insert(a, 9301, 9320);
  const load = beginLoad([...regions.all], acknowledged, 7305);
  await load.written(100);
  await closed(b, A, await latestUs(a));
  regions.holdInbound(B);
  await run(a, 'delete from items where id between 9301 and 9310');
  await insert(a, 9321, 9340);
  await load.written(200);
  const before = await appliedUs(b, A);
  await regions.expire(B);
  regions.releaseInbound(B);
  await load.written(100);
  await regions.drained();
  assert.deepEqual([await ids(b, 9301, 9320), await ids(b, 9321, 9340)], [20, 0], 'it has heard of neither');
  assert.ok((await appliedUs(b, A)) <= before, 'and does not say that it had');
  await loadOne(regions, TABLE, A, B);
  assert.deepEqual([await ids(b, 9301, 9320), await ids(b, 9321, 9340)], [10, 20]);
  for (const source of [A, C]) assert.ok((await withConnection(b.url(), (sql) => closeGaps(sql, source))) > 0);
  await closed(b, A, before);
  await load.stop();
  await repairAll(regions);
  await assertSame(regions, acknowledged);
});
