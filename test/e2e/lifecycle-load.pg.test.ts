import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setRollout } from '../../functions/operate/rollout.ts';
import { withConnection } from '../../local/region/connection.ts';
import { NotLoadable } from '../../local/region/load-table.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import { acknowledgedWrites } from '../support/acknowledged.ts';
import { assertSame, beginLoad, loadOne, stopLoads } from '../support/lifecycle.ts';
import { ITEMS } from '../support/under-load.ts';

const SCHEMA = `${ITEMS};
create table people (id bigint primary key, email text unique, v text);
create table pairs (a text collate "C", b numeric, v text, twice text generated always as (v || v) stored, primary key (a, b));
insert into items select -n, 'old' from generate_series(1, 200) n`;
const TABLES = ['public.items', 'public.people', { name: 'public.pairs', policy: 'merge', counters: [] } as const];
const [A, B, C] = ['us-east-1', 'eu-west-1', 'ap-south-1'] as const;

let regions: Regions;
before(async () => {
  const { template } = await makeTemplate({ database: 'app', load: (db) => db.unsafe(SCHEMA).simple() });
  regions = await startRegions({ regions: [A, B, C], template, tables: TABLES });
  await template.remove();
});
after(async () => {
  await stopLoads();
  await regions.stop();
});

const inRegion = (name: string, statement: string) =>
  withConnection(regions.named(name).url(), (sql) => sql.unsafe(statement));
const rollout = (name: string, table: string, to: 'off' | 'live') =>
  withConnection(regions.named(name).url(), (sql) => setRollout(sql, table, to));
const count = async (name: string, of: string): Promise<number> =>
  Number((await inRegion(name, `select count(*) as n from ${of}`))[0]?.n);

describe('a first load, while every region writes', () => {
  test('makes equal what was off, from where it was stopped, over what stood there', async () => {
    const acknowledged = acknowledgedWrites();
    const load = beginLoad([...regions.all], acknowledged, 7201);
    await load.written(300);
    await rollout(B, 'public.items', 'off');
    await load.written(600);
    await assert.rejects(loadOne(regions, 'public.items', A, B), (error: NotLoadable) => {
      assert.deepEqual(error.problems, ['the table is off at the target: what changes meanwhile would be missing']);
      return error instanceof NotLoadable;
    });
    await rollout(B, 'public.items', 'live');
    const stopping = new AbortController();
    const first = await loadOne(regions, 'public.items', A, B, {
      limit: 40,
      signal: stopping.signal,
      onProgress: (versions) => versions >= 80 && stopping.abort(),
    });
    assert.deepEqual([first.end, first.parked], ['stopped', 0]);
    assert.ok(first.versions < (await count(A, 'items')), 'in the middle');
    let beginsAt = 0;
    const second = await loadOne(regions, 'public.items', A, B, {
      limit: 100,
      onBegin: ({ versions }) => {
        beginsAt = versions;
      },
    });
    assert.equal(beginsAt, first.versions, 'it went on');
    assert.deepEqual([second.end, second.parked], ['done', 0]);
    assert.equal(await count(B, 'concord.load'), 0);
    await load.written(200);
    await load.stop();
    await assertSame(regions, acknowledged);
  });

  test('brings held rows, tombstones and lattices', async () => {
    await regions.drained();
    await rollout(B, 'public.people', 'off');
    await rollout(B, 'public.pairs', 'off');
    regions.holdInbound(C);
    await inRegion(A, `insert into people select n, n || '@x', 'a' from generate_series(1, 40) n`);
    await inRegion(C, `insert into people select n + 100, n || '@x', 'c' from generate_series(1, 40) n`);
    regions.releaseInbound(C);
    await inRegion(A, `insert into pairs select 'k' || n, n * 1.50, 'a' from generate_series(1, 60) n`);
    await regions.drained();
    await inRegion(C, `update pairs set v = 'c' where b < 30`);
    await inRegion(A, `delete from pairs where b > 60; delete from people where id < 5`);
    await regions.drained();
    assert.ok((await count(A, 'concord.limbo')) > 20, 'rows are held');
    for (const table of ['public.people', 'public.pairs']) {
      await rollout(B, table, 'live');
      const { parked } = await loadOne(regions, table, C, B, { limit: 7 });
      assert.equal(parked, 0);
    }
    await assertSame(regions);
    assert.equal(await count(B, 'concord.limbo'), await count(A, 'concord.limbo'));
  });

  test('is nothing where the table is equal already: no row is written', async () => {
    const stored = (): Promise<unknown> =>
      inRegion(
        B,
        ['items', 'people', 'pairs']
          .map((table) => `select md5(string_agg(ctid::text || xmin::text, ' ' order by ctid)) from ${table}`)
          .join(' union all '),
      );
    const then = await stored();
    for (const table of ['public.items', 'public.people', 'public.pairs']) await loadOne(regions, table, A, B);
    assert.deepEqual(await stored(), then);
    await assertSame(regions);
  });

  test('takes the horizon over before any row, and never lowers it', async () => {
    const horizon = (name: string) =>
      inRegion(name, `select horizon::text from concord.enrolled_table where table_name = 'public.items'`);
    await inRegion(A, `update concord.enrolled_table set horizon = now() where table_name = 'public.items'`);
    await loadOne(regions, 'public.items', A, B);
    assert.deepEqual(await horizon(B), await horizon(A));
    await inRegion(
      B,
      `update concord.enrolled_table set horizon = horizon + interval '1 second' where table_name = 'public.items'`,
    );
    const later = await horizon(B);
    await loadOne(regions, 'public.items', A, B);
    assert.deepEqual(await horizon(B), later);
  });
});

test('what cannot be loaded is refused before anything changes', async () => {
  await assert.rejects(loadOne(regions, 'public.items', A, A), /both databases are region us-east-1/);
  await assert.rejects(loadOne(regions, 'public.nothing', A, B), /the table is not enrolled at the source/);
  await inRegion(A, 'alter table items add column extra text');
  await assert.rejects(loadOne(regions, 'public.items', A, B), /the target lacks column extra/);
});
