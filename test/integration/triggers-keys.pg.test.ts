import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { messagesOf, type Published, readPublished } from '../support/published.ts';
import { createRegions, type Region } from '../support/regions.ts';

/** A key's type, a value, and the same value as it is spelled elsewhere; both are SQL expressions. */
type Key = { readonly name: string; readonly type: string; readonly value: string; readonly spelledElse: string };

const key = (name: string, type: string, value: string, spelledElse = value): Key => ({
  name,
  type,
  value,
  spelledElse,
});

const KEYS: readonly Key[] = [
  key('numeric', 'numeric', '1.5', '1.50'),
  key('citext', 'shared.citext', `'Mixed Case'`, `'mixed case'`),
  key('timestamptz', 'timestamptz', `'2026-01-01 09:00+09'`, `'2026-01-01 00:00+00'`),
  key('uuid', 'uuid', `'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'`, `'a0eebc999c0b4ef8bb6d6bb9bd380a11'`),
  key('text_c', 'text collate "C"', `'Zß'`),
  key('text_icu', 'text collate shared.german', `'Ärger'`),
  key('enum', 'shared.mood', `'so "so"'`),
  key('char', 'char(5)', `'ab'`, `'ab  '`),
  key('bpchar', 'bpchar', `'ab '`, `'ab'`),
  key('inet', 'inet', `'10.0.0.1'`, `'10.0.0.1/32'`),
  key('bool', 'bool', 'true'),
  key('bytea', 'bytea', `'\\x00ff5c'`),
  key('date', 'date', `'0044-03-15 BC'`),
  key('interval', 'interval', `'1 day'`, `'24:00:00'`),
  key('float8', 'float8', `'-0'`, '0'),
  key('jsonb', 'jsonb', `'{"a": 1.0}'`, `'{"a": 1.00}'`),
  key('int_array', 'int[]', `'{1,2}'`),
  key('text_array', 'text[]', `array['a,b', 'c"d', null]`),
  key('int4range', 'int4range', `'[1,5]'`, `'[1,6)'`),
  key('domain', 'shared.code', `'ab'`),
  key('money', 'money', `'$1,234.50'`),
  key('bit', 'bit(3)', `b'101'`),
  key('time', 'timetz', `'04:05:06.789+02'`),
  key('composite', 'shared.place', `row(1.5, 'x')`, `row(1.50, 'x')`),
  key('xid', 'xid8', `'12'`),
];

const SHARED = `create schema shared; create extension citext schema shared; create type shared.mood as enum ('ok', 'so "so"');
  create domain shared.code as text check (value <> ''); create type shared.place as (n numeric, t text);
  create collation shared.german (provider = icu, locale = 'de', deterministic = false);
  grant usage on schema shared to app;`;
const tableOf = ({ name }: Key): string => `k_${name}`;
const SCHEMA = `${SHARED} ${KEYS.map((k) => `create table ${tableOf(k)} (k ${k.type} primary key, v text);`).join('\n')}
  create table k_several (a numeric, "B c" shared.citext, v text, z timestamptz, primary key (z, a, "B c"));`;

for (const version of ['15', '18'] as const)
  describe(`keys of all kinds, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let eu: Region;
    const published = new Map<Region, () => Promise<Published[]>>();

    before(async () => {
      const tables = [...KEYS.map((k) => `public.${tableOf(k)}`), 'public.k_several'];
      [us, eu] = (await createRegions(await cluster(), { names: ['us', 'eu'], schema: SCHEMA, tables })) as [
        Region,
        Region,
      ];
      for (const region of [us, eu]) {
        published.set(region, await readPublished(region.session('concord_capture').sql, region.database.name));
        await region.sql`set search_path = public, shared`;
        await region.sql`set timezone = 'Asia/Tokyo'`;
      }
    });

    async function ship(from: Region, to: Region, names: readonly string[]): Promise<void> {
      const messages = messagesOf((await published.get(from)?.()) ?? [], names);
      await to.receive(from.name, ...messages);
    }

    /** Rows and tombstones of a table with all that travels. */
    const contents = (region: Region, table: string, names: string) =>
      region.sql.unsafe(
        `select 'row' as kind, ${names}, v, _version, _last_updated, _source_region, _version_vector from ${table}
       union all select 'tombstone', ${names}, null, _version, _last_updated, _source_region, _version_vector from concord_public.${table}`,
      );

    for (const { name, type, value, spelledElse } of KEYS)
      test(`one key of type ${type} is one key everywhere, however it is spelled (${name})`, async () => {
        const table = `k_${name}`;
        await us.sql.unsafe(`insert into ${table} values (${value}, 'first')`);
        await ship(us, eu, ['k']);
        await eu.sql.unsafe(`delete from ${table} where k = ${spelledElse}::${type.split(' ')[0]}`);
        await ship(eu, us, ['k']);
        const [gone] = await us.sql.unsafe(`select count(*)::int as rows from ${table}`);
        assert.equal(gone?.rows, 0);
        await us.sql.unsafe(`insert into ${table} values (${spelledElse}, 'again')`);
        await us.sql.unsafe(`update ${table} set v = 'and again'`);
        await ship(us, eu, ['k']);
        const [here, there] = [await contents(us, table, 'k::text'), await contents(eu, table, 'k::text')];
        assert.deepEqual(here, there);
        assert.deepEqual(
          here.map(({ kind }) => kind),
          ['row', 'tombstone'],
        );
        assert.deepEqual(Object.keys(here[0]?._version_vector), ['eu', 'us']);
        const parked = await eu.sql`select reason, error from concord.parked`;
        assert.deepEqual([...parked], []);
      });

    test('a key of several columns, in another order than the table has them', async () => {
      const names = ['z', 'a', 'B c'];
      await us.sql.unsafe(`insert into k_several values (1.5, 'X', 'first', '2026-01-01 09:00+09')`);
      await ship(us, eu, names);
      await eu.sql.unsafe(`update k_several set a = 1.50, "B c" = 'x', v = 'second'`);
      await ship(eu, us, names);
      await us.sql.unsafe(`update k_several set a = 2`);
      await ship(us, eu, names);
      const list = `a::text, "B c"::text, z`;
      const [here, there] = [await contents(us, 'k_several', list), await contents(eu, 'k_several', list)];
      assert.deepEqual(here, there);
      assert.deepEqual(
        here.map(({ kind, a }) => [kind, a]),
        [
          ['row', '2'],
          ['tombstone', '1.50'],
        ],
      );
    });

    test('a key that is only spelled anew stays one row without a tombstone, and is spelled so everywhere', async () => {
      await us.sql.unsafe(`delete from k_numeric; insert into k_numeric values (7, 'x')`);
      await ship(us, eu, ['k']);
      await us.sql.unsafe('update k_numeric set k = 7.000');
      await ship(us, eu, ['k']);
      const [row, buried] = await contents(eu, 'k_numeric', 'k::text');
      assert.equal(row?.k, '7.000');
      assert.notEqual(buried?.k, '7.000');
    });
  });
