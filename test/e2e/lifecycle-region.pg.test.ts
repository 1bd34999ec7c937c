import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { withConnection } from '../../local/region/connection.ts';
import { makeTemplate, type Template } from '../../local/region/template.ts';
import { type Region, type Regions, startRegions } from '../../local/region.ts';
import { acknowledgedWrites } from '../support/acknowledged.ts';
import { assertSame, beginLoad, loadAll, stopLoads } from '../support/lifecycle.ts';
import { ITEMS } from '../support/under-load.ts';

const SCHEMA = `${ITEMS}; create table orders (id bigserial primary key, v text)`;
/** What was there before Concord: the first regions have it, a new one gets it with the rest. */
const ROWS = `insert into items select -n, 'old' from generate_series(1, 300) n; insert into orders (v) select 'old' from generate_series(1, 40)`;
const TABLES = ['public.items', 'public.orders'];
const [A, B, C, D] = ['us-east-1', 'eu-west-1', 'ap-south-1', 'sa-east-1'];

let regions: Regions;
let empty: Template;
const acknowledged = acknowledgedWrites();

before(async () => {
  const load = (schema: string) => makeTemplate({ database: 'app', load: (db) => db.unsafe(schema).simple() });
  const { template } = await load(`${SCHEMA}; ${ROWS}`);
  regions = await startRegions({ regions: [A ?? '', B ?? ''], template, tables: TABLES });
  await template.remove();
  ({ template: empty } = await load(SCHEMA));
});
after(async () => {
  await stopLoads();
  await regions.stop();
  await empty.remove();
});

/** Some orders everywhere, as many at once; returns all their ids. */
async function order(each: number): Promise<number[]> {
  const ids = await Promise.all(
    regions.all.map(({ url, name }) =>
      withConnection(url(), async (sql) => {
        const rows = await sql<{ id: string }[]>`
          insert into orders (v) select ${name} || n from generate_series(1, ${each}::int) n returning id::text`;
        return rows.map(({ id }) => Number(id));
      }),
    ),
  );
  return ids.flat();
}

async function join(name: string, from: string): Promise<Region> {
  const region = await regions.add(name, empty);
  await loadAll(regions, from, name);
  return region;
}

describe('while every region takes writes', () => {
  test('a third and a fourth region join, and hold all that the others do', async () => {
    const load = beginLoad([...regions.all], acknowledged, 7001);
    const ids = await order(30);
    await load.written(300);
    const third = await join(C ?? '', A ?? '');
    const more = beginLoad([third], acknowledged, 7002);
    ids.push(...(await order(30)));
    await load.written(300);
    // From the one that is new itself.
    const fourth = await join(D ?? '', C ?? '');
    const most = beginLoad([fourth], acknowledged, 7003);
    ids.push(...(await order(30)));
    await Promise.all([load.written(200), more.written(200), most.written(200)]);
    await Promise.all([load.stop(), more.stop(), most.stop()]);
    await assertSame(regions, acknowledged);
    assert.equal(new Set(ids).size, ids.length, 'no id was given twice');
    assert.ok(Math.min(...ids) > 40, 'ids begin above those of before');
    const [row] = await withConnection(
      fourth.url(),
      (sql) => sql`
      select count(*)::int as old from items where _source_region = ''`,
    );
    assert.equal(row?.old, 300, 'rows of before enrolment came along as they were');
  });

  test('a region leaves, all that it wrote stays, and rows that it wrote are written on', async () => {
    const leaving = regions.named(B ?? '');
    const load = beginLoad([leaving], acknowledged, 7004);
    const staying = beginLoad(
      regions.all.filter(({ name }) => name !== B),
      acknowledged,
      7005,
    );
    await load.written(200);
    await load.stop();
    await regions.remove(B ?? '');
    await leaving.cluster.remove();
    assert.deepEqual(regions.topology.formerRegions, [{ name: B, slot: 1 }]);
    await staying.written(400);
    await staying.stop();
    await regions.drained();
    // Versions that have seen its writes go in everywhere.
    await withConnection(regions.named(C ?? '').url(), (sql) => sql`update items set v = v || '!'`);
    await assertSame(regions, acknowledged);
    for (const { url, name } of regions.all) {
      const [left] = await withConnection(
        url(),
        (sql) => sql`
        select (select count(*)::int from concord.watermark where topic = ${`cdc.${B}`}) as watermarks,
          (select count(*)::int from concord.peer where region = ${B ?? ''}) as peers, (select count(*)::int from concord.parked) as parked`,
      );
      assert.deepEqual(left, { watermarks: 0, peers: 0, parked: 0 }, name);
    }
  });

  test('nobody gets the slot of a region that left', async () => {
    const fifth = await regions.add('ca-central-1', empty);
    assert.equal(regions.topology.regions.find(({ name }) => name === fifth.name)?.slot, 4);
    await loadAll(regions, A ?? '', fifth.name);
    await assertSame(regions, acknowledged);
  });
});
