import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = /* sql */ `
create table items (id bigint primary key, label text);
create table hosts (address inet, code char(4), note char(3), primary key (address, code));
create table texts (a text, b text, c text, value text, primary key (a, b, c));
create table prices (amount numeric primary key, name text);`;
const TABLES = ['public.items', 'public.hosts', 'public.texts', 'public.prices'];

closeEnvironments();

const recordOf = (version: HandMade) => kafkaRecord(version.region, versionMessage(version));

/** A history of one row in three regions: what each version had seen makes some of them concurrent. */
const HISTORY: readonly Omit<HandMade, 'key'>[] = [
  { region: 'us-1', stamp: HOUR_AGO + 10, columns: { label: 'first' } },
  { region: 'eu-1', stamp: HOUR_AGO + 20, seen: { 'us-1': HOUR_AGO + 10 }, writes: 2, columns: { label: 'second' } },
  {
    region: 'ap-1',
    stamp: HOUR_AGO + 30,
    seen: { 'us-1': HOUR_AGO + 10 },
    writes: 2,
    kind: 'tombstone',
    columns: { label: 'first' },
  },
  { region: 'us-1', stamp: HOUR_AGO + 30, seen: { 'eu-1': HOUR_AGO + 20 }, writes: 3, columns: { label: 'third' } },
  {
    region: 'eu-1',
    stamp: HOUR_AGO + 25,
    seen: { 'us-1': HOUR_AGO + 10 },
    writes: 3,
    kind: 'tombstone',
    columns: { label: 'second' },
  },
];

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

for (const version of ['18', '15'] as const)
  describe(`order and labels on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let region: Region;
    let environment: Environment;
    let other: Environment;
    let regions: Region[] = [];

    before(async () => {
      const options = { names: ['here-1', 'us-1', 'eu-1', 'ap-1'], schema: SCHEMA, tables: TABLES };
      regions = [await createRegion(await cluster(), options), await createRegion(await cluster(), options)];
      region = regions[0] as Region;
      environment = environmentOf(region);
      other = environmentOf(regions[1] as Region);
    });

    const conflictsOf = (at: Region, table: string) =>
      at.sql`select id, key::text as key, kind, loser_kind, loser_region, loser_image::text as image, winner_kind, winner_region
        from concord.conflict where table_name = ${table} order by id`;

    test('I5 all orders of a history give the same state, one by one and in batches', async () => {
      const orders = permutations(HISTORY);
      for (const size of [1, 2, 5]) {
        const idOf = (order: number): string => String(size * 1000 + order);
        for (let at = 0; at < HISTORY.length; at += size)
          await environment.deliver(
            orders.flatMap((order, index) =>
              order.slice(at, at + size).map((made) => recordOf({ ...made, key: { id: idOf(index) } })),
            ),
          );
      }
      const rows =
        await region.sql`select label, _last_updated::text, _source_region, _version, count(*)::int from items
        group by 1, 2, 3, 4`;
      assert.equal(rows.length, 1);
      assert.deepEqual({ label: rows[0]?.label, count: rows[0]?.count }, { label: 'third', count: 360 });
    });

    test('the first and the second of two concurrent versions each get their label', async () => {
      const a = (id: string, more: Partial<HandMade> = {}): HandMade => ({
        region: 'us-1',
        stamp: HOUR_AGO + 1,
        key: { id },
        columns: { label: 'a' },
        ...more,
      });
      const b = (id: string, more: Partial<HandMade> = {}): HandMade => ({
        region: 'eu-1',
        stamp: HOUR_AGO + 2,
        key: { id },
        columns: { label: 'b' },
        ...more,
      });
      const cases: [kind: string, first: HandMade, second: HandMade][] = [
        ['insert_exists', a('1'), b('1')],
        ['insert_exists', b('2'), a('2')],
        ['update_origin_differs', a('3', { writes: 2 }), b('3')],
        ['update_deleted', a('4', { kind: 'tombstone' }), b('4')],
        ['delete_origin_differs', a('5'), b('5', { kind: 'tombstone' })],
        ['delete_origin_differs', b('6', { kind: 'tombstone' }), a('6', { kind: 'tombstone' })],
        ['update_deleted', b('7', { kind: 'tombstone' }), a('7')],
      ];
      await environment.deliver(cases.map(([, first]) => recordOf(first)));
      await environment.deliver(cases.map(([, , second]) => recordOf(second)));
      const rows =
        await region.sql`select (key ->> 0)::int as id, kind, loser_kind, loser_image::text as image, loser_region
        from concord.conflict where table_name = 'public.items' and (key ->> 0)::int < 10 order by 1`;
      assert.deepEqual(
        rows.map(({ kind }) => kind),
        cases.map(([kind]) => kind),
      );
      for (const [index, row] of rows.entries()) {
        const loser = cases[index]?.slice(1).find((made) => (made as HandMade).region === 'us-1') as HandMade;
        assert.deepEqual(
          [row.loser_region, row.loser_kind, JSON.parse(row.image)],
          ['us-1', loser.kind ?? 'row', { id: String(index + 1), label: 'a' }],
        );
      }
    });

    test('a conflict has one id and one image, also where a cast to text is not what PostgreSQL prints', async () => {
      const key = { address: '10.0.0.1', code: 'ab  ' };
      const made = (at: string, stamp: number, note: string): HandMade => ({
        table: 'public.hosts',
        region: at,
        stamp: HOUR_AGO + stamp,
        key,
        columns: { note },
      });
      const [loser, winner] = [made('us-1', 1, 'x  '), made('eu-1', 2, 'y  ')];
      await environment.deliver([recordOf(loser)]);
      await environment.deliver([recordOf(winner)]);
      await other.deliver([recordOf(winner)]);
      await other.deliver([recordOf(loser)]);
      const [here, there] = await Promise.all(regions.map((at) => conflictsOf(at, 'public.hosts')));
      assert.equal(here?.length, 1);
      assert.deepEqual(JSON.parse(here?.[0]?.image), { ...key, note: 'x  ' });
      assert.deepEqual(
        [here?.[0]?.id, here?.[0]?.key, here?.[0]?.image],
        [there?.[0]?.id, there?.[0]?.key, there?.[0]?.image],
      );
    });

    test('rows whose key texts could be joined to one text stay two rows', async () => {
      const keys = [
        { a: 'x\u0002y', b: 'z', c: '' },
        { a: 'x', b: 'y\u0002z', c: '' },
        { a: '', b: 'x', c: 'y\u0002z' },
        { a: '', b: '', c: 'x' },
        { a: 'x\u0001', b: 'y', c: '\u0001' },
      ];
      const rows = keys.map((key, index) =>
        recordOf({ table: 'public.texts', region: 'us-1', stamp: HOUR_AGO + index, key, columns: { value: 'v' } }),
      );
      await environment.deliver(rows);
      const [row] = await region.sql`select count(*)::int as count from texts`;
      assert.equal(row?.count, keys.length);
      const dead = keys.map((key, index) =>
        recordOf({ table: 'public.texts', kind: 'tombstone', region: 'us-1', stamp: HOUR_AGO + 10 + index, key }),
      );
      await environment.deliver([...dead, ...rows]);
      const [after] = await region.sql`select count(*)::int as count from texts`;
      assert.equal(after?.count, 0);
    });

    test('1.5 and 1.50 are versions of one row, in one batch and after each other', async () => {
      const made = (amount: string, stamp: number, more: Partial<HandMade> = {}): HandMade => ({
        table: 'public.prices',
        region: 'us-1',
        stamp: HOUR_AGO + stamp,
        key: { amount },
        columns: { name: amount },
        ...more,
      });
      await environment.deliver([recordOf(made('1.5', 1)), recordOf(made('1.50', 2)), recordOf(made('2.0', 3))]);
      await environment.deliver([recordOf(made('2', 4))]);
      await environment.deliver([recordOf(made('1.5000', 5, { kind: 'tombstone' })), recordOf(made('1.500', 4))]);
      const rows = await region.sql`select amount::text, name from prices`;
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [{ amount: '2', name: '2' }],
      );
    });
  });
