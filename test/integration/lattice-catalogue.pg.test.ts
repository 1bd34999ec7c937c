import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { readTables, type Sql, type Table } from '@concord/runtime';
import { createDatabase, useCluster } from '../support/cluster.ts';

for (const version of ['18', '15'] as const)
  describe(`what the catalogue of PostgreSQL ${version} says of a table`, () => {
    const cluster = useCluster(version);
    let sql: Sql;
    const read = async (name: string): Promise<Table> => {
      const table = (await readTables(sql, [name])).get(name);
      assert.ok(table);
      return table;
    };
    before(async () => {
      sql = (await createDatabase(await cluster())).connect();
      await sql.unsafe(`
        create table plain (id int primary key, _local boolean);
        create table merged (id int primary key, _incarnation jsonb);
        create table keyed (id int primary key, email text, "a ""b" text, gone boolean, area int, _claim jsonb,
          constraint keyed_once unique nulls not distinct (area, "a ""b"));
        create unique index keyed_email on keyed (lower(email), area) include (gone)
          where not gone and email <> ' WHERE (' and "a ""b" <> 'it''s \\ WHERE';
        create index keyed_other on keyed (area);
        create table parts (id int, area int, code text, primary key (id, area), unique (area, code)) partition by list (area);
        create table parts_1 partition of parts for values in (1);`);
    });

    test('a lattice has a column for its incarnation', async () => {
      const tables = [await read('public.plain'), await read('public.merged'), await read('public.keyed')];
      assert.deepEqual(
        tables.map(({ lattice, claims }) => [lattice, claims]),
        [
          [false, false],
          [true, false],
          [false, true],
        ],
      );
      assert.deepEqual(tables[0]?.uniques, []);
    });

    test('unique keys beside the primary one, with what they cover', async () => {
      const { uniques } = await read('public.keyed');
      assert.deepEqual(uniques, [
        {
          name: 'keyed_email',
          nullsNotDistinct: false,
          expressions: ['lower(email)', 'area'],
          predicate: String.raw`((NOT gone) AND (email <> ' WHERE ('::text) AND ("a ""b" <> 'it''s \ WHERE'::text))`,
        },
        { name: 'keyed_once', nullsNotDistinct: true, expressions: ['area', '"a ""b"'], predicate: null },
      ]);
      // Both texts are SQL over the table itself.
      for (const { expressions, predicate } of uniques)
        await sql.unsafe(`select ${expressions.join(', ')} from keyed where ${predicate ?? 'true'}`);
    });

    test('an index that is not valid is none, and a partitioned table has those of its root', async () => {
      await sql.unsafe(`insert into keyed (id, email) values (1, 'x'), (2, 'x')`).catch(() => undefined);
      await sql.unsafe('delete from keyed');
      await sql.unsafe(`insert into keyed (id, area, gone) values (1, 1, true), (2, 2, true)`);
      await assert.rejects(sql.unsafe('create unique index concurrently keyed_gone on keyed (gone)'));
      assert.equal((await read('public.keyed')).uniques.length, 2);
      const { uniques } = await read('public.parts');
      assert.deepEqual(
        uniques.map(({ expressions }) => expressions),
        [['area', 'code']],
      );
    });
  });
