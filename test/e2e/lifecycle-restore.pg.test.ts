import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readIncarnation, resume } from '../../functions/lifecycle/incarnation.ts';
import { readKnown } from '../../functions/lifecycle/known.ts';
import { embeddedCarrier } from '../../local/carrier/embedded.ts';
import { withConnection } from '../../local/region/connection.ts';
import { newIncarnation } from '../../local/region/new-incarnation.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Region, type Regions, startRegions } from '../../local/region.ts';
import { acknowledgedWrites } from '../support/acknowledged.ts';
import { backUp } from '../support/copy-running.ts';
import { assertSame, beginLoad, repairAll, stopLoads } from '../support/lifecycle.ts';
import { ITEMS, type Load } from '../support/under-load.ts';

const SCHEMA = `${ITEMS}; create table orders (id bigserial primary key, v text)`;
const TABLES = ['public.items', 'public.orders'];
const [A, B, C] = ['us-east-1', 'eu-west-1', 'ap-south-1'] as const;

let regions: Regions;
before(async () => {
  const { template } = await makeTemplate({ database: 'app', load: (db) => db.unsafe(SCHEMA).simple() });
  // A backup is older than what everybody has read since.
  regions = await startRegions({
    regions: [A, B, C],
    template,
    tables: TABLES,
    carrier: embeddedCarrier({ retain: 'all' }),
  });
  await template.remove();
});
after(async () => {
  await stopLoads();
  await regions.stop();
});

const order = ({ url }: Region): Promise<number> =>
  withConnection(url(), async (sql) => {
    const [row] = await sql<{ id: string }[]>`insert into orders (v) values ('x') returning id::text`;
    return Number(row?.id);
  });

/** All that the region has committed is in its topic. */
async function captured({ name, url }: Region): Promise<void> {
  const [row] = await withConnection(url(), (sql) => sql<{ lsn: string }[]>`select pg_current_wal_lsn()::text as lsn`);
  await regions.captures.get(name)?.caughtUpTo(row?.lsn ?? '');
}

const stop = (loads: readonly Load[]): Promise<unknown> => Promise.all(loads.map((load) => load.stop()));

test('a region that is replaced by a backup of itself gets back what it lost, and never makes a version again', async () => {
  const acknowledged = acknowledgedWrites();
  const former = regions.named(B);
  const others = beginLoad([regions.named(A), regions.named(C)], acknowledged, 7101);
  const own = beginLoad([former], acknowledged, 7102);
  const ids = [await order(former), await order(former)];
  await Promise.all([others.written(200), own.written(200)]);
  const backup = await backUp(former);
  await Promise.all([others.written(200), own.written(300)]);
  // One of them is deleted everywhere: its id is in no row any more.
  for (let n = 0; n < 40; n++) ids.push(await order(former));
  await withConnection(former.url(), (sql) => sql`delete from orders where id = ${Math.max(...ids)}::text::int8`);
  await own.stop();
  await captured(former);
  const lost = await withConnection(former.url(), (sql) => readKnown(sql, TABLES, B));

  await regions.detach(B);
  await former.cluster.remove();
  const restored = await backup.restore();
  await regions.attachRestored(restored);
  // Heartbeats of the others tell that it was further on.
  while ((await withConnection(restored.url(), readIncarnation)).suspended === null) await delay(20);
  await assert.rejects(order(restored), { code: '55000' });

  const address = { topology: regions.topology, region: B, url: restored.url() };
  const elsewhere = [regions.named(A).url(), regions.named(C).url()];
  const begun = await newIncarnation({ ...address, others: elsewhere });
  assert.deepEqual([begun.region, begun.incarnation, begun.begun], [`${B}#2`, 2, true]);
  assert.equal((await newIncarnation({ ...address, others: elsewhere })).incarnation, 2, 'again is the same one');
  await assert.rejects(order(restored), { code: '55000' });
  await regions.replayOwn(B);
  await repairAll(regions);
  await others.written(100);
  await others.stop();
  await assertSame(regions, acknowledged);

  assert.equal(await withConnection(restored.url(), resume), true);
  const loads = [beginLoad(regions.all, acknowledged, 7103)];
  const fresh: number[] = [];
  for (let n = 0; n < 10; n++) fresh.push(await order(restored));
  assert.deepEqual(
    fresh.filter((id) => ids.includes(id)),
    [],
    'no id is given again',
  );
  await loads[0]?.written(400);
  await stop(loads);
  await assertSame(regions, acknowledged);
  for (const { url, name } of regions.all) {
    const [row] = await withConnection(
      url(),
      (sql) => sql<{ first: string; writes: number }[]>`
      select coalesce(min((extract(epoch from _last_updated) * 1000000)::int8), 0)::text as first, count(*)::int as writes from (
        select _last_updated, _source_region from items union all select _last_updated, _source_region from concord_public.items) v
      where _source_region = ${`${B}#2`}`,
    );
    assert.ok((row?.writes ?? 0) > 20, `${name} holds writes of the new incarnation`);
    assert.ok(Number(row?.first) > lost.latestUs, 'all of them later than what the former one wrote');
  }
});
