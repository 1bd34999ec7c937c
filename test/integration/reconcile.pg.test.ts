import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Difference, Report } from '@concord/events';
import { useCluster } from '../support/cluster.ts';
import { exchange, sameRowsEverywhere } from '../support/exchange.ts';
import { type Reconciling, reconciling } from '../support/reconciling.ts';
import { createRegion, createRegions, type Region, type TableOption } from '../support/regions.ts';

const SCHEMA = `
create table items (id int primary key, label text, amount numeric, note text);
create table pairs (a text, b numeric, body text, primary key (a, b));
create table words (word text primary key, meaning text);
create table stock (id int primary key, name text, count bigint not null default 0);
create table nobody (id int primary key)`;
const TABLES: readonly TableOption[] = [
  'public.items',
  'public.pairs',
  'public.words',
  { name: 'public.stock', policy: 'merge', counters: ['count'] },
  'public.nobody',
];
const NAMES = TABLES.map((table) => (typeof table === 'string' ? table : table.name));

for (const version of ['18', '15'] as const)
  describe(`reconciliation on PostgreSQL ${version}`, { timeout: 180_000 }, () => {
    const cluster = useCluster(version);
    let all: Region[];
    let hub: Reconciling;

    before(async () => {
      all = await createRegions(await cluster(), { names: ['eu-1', 'us-1', 'ap-1'], schema: SCHEMA, tables: TABLES });
      hub = reconciling(all);
      await at(
        'eu-1',
        `insert into items select n, 'label ' || n, n * 1.50, case when n % 3 > 0 then 'note' end from generate_series(1, 5000) n`,
      );
      await at('us-1', `insert into pairs select 'ä' || n % 7, n / 2.0, 'body ' || n from generate_series(1, 300) n`);
      await at(
        'ap-1',
        `insert into words select w, 'meaning' from unnest(array['a', 'B', 'ab', 'Ä', 'é', 'z', 'Z', ' ', '-', 'a b', 'a-b', '']) w`,
      );
      await at('eu-1', `insert into stock select n, 'thing ' || n, 10 from generate_series(1, 40) n`);
      await exchange(all, ...NAMES);
    });
    after(() => hub?.regions.close());

    const region = (name: string): Region => all.find((one) => one.name === name) as Region;
    const at = (name: string, text: string) => region(name).sql.unsafe(text);
    /** Behind Concord's back: no trigger fires, nothing is stamped or published. */
    const damage = async (name: string, text: string): Promise<void> => {
      const { count } = await region(name).sql.begin(async (tx) => {
        await tx.unsafe('set local session_replication_role = replica');
        return tx.unsafe(text);
      });
      assert.notEqual(count, 0, text);
    };
    const found = (report: Report): string[] =>
      report.tables.flatMap(({ differences }) =>
        differences.map(({ table, key, verdict, holdings }) => {
          const less = Object.entries(holdings).filter(([, { holds }]) => holds !== 'winner');
          return `${table} ${key.join('/')} ${verdict} ${less.map(([name, { holds }]) => `${name}:${holds}`).join(' ')}`;
        }),
      );

    test('equal regions match, an empty table among them', async () => {
      for (const mode of ['full', 'stamps'] as const) {
        const report = await hub.run({ mode });
        assert.deepEqual(report.errors, []);
        assert.deepEqual(found(report), []);
        assert.equal(report.verdict, 'match');
        const rows = Object.fromEntries(report.tables.map((one) => [one.table, one.rows]));
        assert.deepEqual(rows['public.items'], { 'eu-1': 5000, 'us-1': 5000, 'ap-1': 5000 });
        assert.deepEqual(rows['public.nobody'], { 'eu-1': 0, 'us-1': 0, 'ap-1': 0 });
      }
    });

    test('every kind of difference is found and none invented; repaired, all regions match', async () => {
      await at('us-1', 'delete from items where id > 4990');
      await exchange(all, ...NAMES);
      await damage('us-1', 'delete from items where id = 7');
      await damage(
        'eu-1',
        `insert into items (id, label, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
        select 9001, 'nobody else has it', 1, s, 'eu-1', 7, jsonb_build_object('eu-1', (extract(epoch from s) * 1000000)::int8), false
        from (select now() - interval '1 hour' as s) v`,
      );
      await damage(
        'ap-1',
        `update items set label = 'of before', _last_updated = _last_updated - interval '1 second',
        _version_vector = jsonb_build_object('eu-1', (extract(epoch from _last_updated - interval '1 second') * 1000000)::int8) where id = 2100`,
      );
      await damage('us-1', `update items set note = '' where id = 3`);
      await damage(
        'ap-1',
        `with t as (delete from concord_public.items where id = 4995 returning *)
        insert into items (id, label, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
        select id, 'back', 1, _last_updated - interval '1 second', 'eu-1', 7,
          jsonb_build_object('eu-1', (extract(epoch from _last_updated - interval '1 second') * 1000000)::int8), false from t`,
      );
      await damage('eu-1', 'delete from concord_public.items where id = 4999');
      await damage('us-1', `delete from pairs where a = 'ä3' and b = 1.5`);
      await damage('eu-1', `delete from words where word = 'Ä'`);
      const expected = [
        'public.items 2100 diverged ap-1:stale',
        'public.items 4995 diverged ap-1:resurrected',
        'public.items 4999 diverged eu-1:lost_tombstone',
        'public.items 7 diverged us-1:missing',
        'public.items 9001 diverged ap-1:missing us-1:missing',
        'public.pairs ä3/1.5000000000000000 diverged us-1:missing',
        'public.words Ä diverged eu-1:missing',
      ];
      const stamps = await hub.run({ mode: 'stamps' });
      assert.deepEqual(found(stamps).sort(), expected);
      const report = await hub.run({ repair: true });
      assert.equal(report.verdict, 'corrupt');
      const texts = found(report).sort();
      const corrupt = texts.find((text) => text.startsWith('public.items 3 '));
      assert.match(corrupt ?? '', /^public.items 3 corrupt (us-1:content|ap-1:content eu-1:content)$/);
      assert.deepEqual(
        texts.filter((text) => text !== corrupt),
        expected,
      );
      const extra = differenceOf(report, '9001');
      assert.equal(extra?.undelivered, true);
      assert.equal(differenceOf(report, '7')?.undelivered, false);
      assert.deepEqual(differenceOf(report, '2100')?.columns, [
        { name: 'label', winner: 'label 2100', regions: { 'ap-1': 'of before' } },
      ]);
      assert.deepEqual(
        report.tables.map(({ after }) => after),
        NAMES.map(() => ({ verdict: 'match', differences: 0 })),
      );
      await sameRowsEverywhere(all, 'items');
      const again = await hub.run();
      assert.deepEqual([again.verdict, found(again)], ['match', []]);
    });

    const differenceOf = ({ tables }: Report, id: string): Difference | undefined =>
      tables.flatMap(({ differences }) => differences).find(({ key }) => key[0] === id);

    test('versions of a lattice table are joined: what nobody holds as it is, all hold afterwards', async () => {
      // Each region has seen nothing of the other's write.
      await at('us-1', `update stock set count = count + 5 where id = 1`);
      await at('eu-1', `update stock set name = 'renamed', count = count - 1 where id = 1`);
      await at('ap-1', 'delete from stock where id = 2');
      const report = await hub.run({ tables: ['public.stock'], repair: true });
      assert.deepEqual(found(report).sort(), [
        'public.stock 1 diverged ap-1:stale eu-1:stale us-1:stale',
        'public.stock 2 diverged eu-1:resurrected us-1:resurrected',
      ]);
      assert.deepEqual(report.tables[0]?.after, { verdict: 'match', differences: 0 });
      const [row] = await sameRowsEverywhere(all, 'stock');
      assert.deepEqual([row?.id, row?.name, row?.count], ['1', 'renamed', '14']);
    });

    test('what was written after the run began is in flight, and nothing of it is written', async () => {
      await at('us-1', `update items set label = 'later' where id = 20`);
      const report = await runAsOfBefore();
      assert.deepEqual(found(report), ['public.items 20 in_flight ap-1:stale eu-1:stale']);
      assert.equal(report.verdict, 'in_flight');
      assert.deepEqual(report.tables[0]?.repaired, {});
    });

    /** Nothing is announced anew. */
    const runAsOfBefore = async (): Promise<Report> => {
      const { runReconciliation } = await import('../../functions/reconcile/run.ts');
      return runReconciliation(
        hub.context,
        { run: 'as-of-before', input: { tables: ['public.items'], repair: true } },
        { waitMs: 0 },
      );
    };

    test('another type, a missing column, a table in shadow: schema, and the rest is compared', async () => {
      await at('us-1', 'alter table items alter column note type varchar(200); alter table items add column more int');
      await at('ap-1', `update concord.enrolled_table set rollout = 'shadow' where table_name = 'public.words'`);
      const report = await hub.run({ tables: ['public.items', 'public.words'] });
      const [items, words] = report.tables;
      assert.equal(report.verdict, 'schema');
      assert.deepEqual(items?.schema, [
        'column note of public.items is text in eu-1, ap-1 and character varying(200) in us-1: it was not compared',
        'column more of public.items is missing in eu-1, ap-1 and integer in us-1: it was not compared',
      ]);
      assert.deepEqual(words?.schema, ['public.words is in shadow in ap-1, not live']);
      assert.deepEqual(Object.keys(words?.rows ?? {}), ['eu-1', 'us-1']);
      assert.equal(items?.rows['us-1'], 4991);
    });
  });

describe('reconciliation of PostgreSQL 15 with 18', { timeout: 180_000 }, () => {
  const clusters = [useCluster('18'), useCluster('15')] as const;
  const schema = `
create type mood as enum ('sad', 'ok', 'happy');
create table odd (word text, at timestamptz, amount numeric, mood mood, primary key (word, at, amount));
create table plain (id uuid primary key, doc jsonb, ratio float8, tags text[], "to" char(5), span tstzrange)`;
  const tables = ['public.odd', 'public.plain'];
  const options = { names: ['eu-1', 'us-1'], schema, tables };
  let all: Region[];
  let hub: Reconciling;
  before(async () => {
    all = [
      await createRegion(await clusters[0](), options, 'eu-1'),
      await createRegion(await clusters[1](), options, 'us-1'),
    ];
    hub = reconciling(all);
  });
  after(() => hub?.regions.close());

  test('values of many types match, and what differs in them is found and repaired', async () => {
    const [eu, us] = all as [Region, Region];
    await eu.sql.unsafe(`insert into odd select w || n, t, n * 1.50, 'ok' from unnest(array['a', 'B', 'Ä', '-', 'a b', 'z', '', E'\\\\', '"', ',']) w,
      generate_series(1, 300) n, unnest(array['infinity', '-infinity', '2026-01-01 12:00+02']::timestamptz[]) t`);
    await us.sql.unsafe(`insert into plain select gen_random_uuid(), '{"b": 1, "a": [1.50, null]}', case n % 4 when 0 then 'NaN' when 1 then '-0' when 2 then 'Infinity' else n / 3.0 end,
      array['x', null, 'NULL', 'a,b'], 'ab', tstzrange('2026-01-01', null) from generate_series(1, 500) n`);
    await exchange(all, ...tables);
    for (const mode of ['full', 'stamps'] as const) {
      const equal = await hub.run({ mode });
      assert.deepEqual([equal.verdict, equal.errors], ['match', []]);
      assert.deepEqual(
        equal.tables.map(({ rows }) => rows),
        [
          { 'eu-1': 9000, 'us-1': 9000 },
          { 'eu-1': 500, 'us-1': 500 },
        ],
      );
    }
    for (const statement of [
      `delete from odd where word = 'Ä7' and at = '-infinity'`,
      `delete from odd where word = '"9' and amount = 13.5`,
      `update plain set tags = array['x', '', 'NULL', 'a,b'] where id = (select min(id::text)::uuid from plain)`,
    ])
      await us.sql.begin(async (tx) => {
        await tx.unsafe('set local session_replication_role = replica');
        assert.notEqual((await tx.unsafe(statement)).count, 0);
      });
    const report = await hub.run({ repair: true });
    assert.deepEqual(
      report.tables.map(({ counts, after: then }) => [counts.diverged, counts.corrupt, then]),
      [
        [4, 0, { verdict: 'match', differences: 0 }],
        [0, 1, { verdict: 'match', differences: 0 }],
      ],
    );
    assert.equal((await hub.run()).verdict, 'match');
  });
});
