import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Finding, preflight } from '../../functions/enroll/preflight.ts';
import { createDatabase, type TestDatabase, useCluster } from '../support/cluster.ts';
import { topologyOf } from '../support/regions.ts';

/** What stops or misleads Debezium; each was seen to with the real connector. */
const CASES: readonly {
  readonly name: string;
  readonly schema: string;
  readonly code: string;
  readonly reason: RegExp;
}[] = [
  {
    name: 'borrowed_domain',
    schema:
      'create schema app_domain; create domain app_domain.bool as text; create table borrowed_domain (id int primary key, v app_domain.bool)',
    code: 'type_name',
    reason: /column v is of type app_domain.bool, which Debezium takes for the built-in type/,
  },
  {
    name: 'borrowed_enum',
    schema: `create schema app_enum; create type app_enum.date as enum ('a'); create domain app_enum.day as app_enum.date;
      create table borrowed_enum (id int primary key, v app_enum.day, fine app_enum.date[], also bool, "time" time)`,
    code: 'type_name',
    reason: /column v is of type app_enum.date/,
  },
  {
    name: 'borrowed_composite',
    schema:
      'create schema app_composite; create type app_composite."interval" as (a text); create table borrowed_composite (id int primary key, v app_composite."interval")',
    code: 'type_name',
    reason: /column v is of type app_composite."interval"/,
  },
  {
    name: 'quo"ted',
    schema: 'create table "quo""ted" (id int primary key)',
    code: 'quote_in_name',
    reason: /double quote/,
  },
  {
    name: 'cased_stamp',
    schema: 'create table cased_stamp (id int primary key, "_VERSION" text)',
    code: 'column_case',
    reason: /_VERSION and _version differ only in upper and lower case/,
  },
];

for (const version of ['18', '15'] as const)
  describe(`preflight for Debezium, PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let database: TestDatabase;
    before(async () => {
      database = await createDatabase(await cluster());
      for (const { schema } of CASES) await database.connect().unsafe(schema);
    });

    const check = async (names: readonly string[]): Promise<readonly Finding[]> => {
      const topology = topologyOf({ names: ['us', 'eu'], tables: names });
      return (await preflight(database.connect(), topology, 'us')).findings;
    };

    for (const { name, code, reason } of CASES)
      test(`refuses ${name}: ${code}`, async () => {
        const findings = await check([`public.${name}`]);
        assert.deepEqual(
          findings.map((finding) => [finding.level, finding.code, finding.table]),
          [['error', code, `public.${name}`]],
        );
        assert.match(findings[0]?.reason ?? '', reason);
        assert.match(findings[0]?.hint ?? '', /rename/);
      });

    test('types of extensions and arrays are what Debezium takes them for', async () => {
      await database
        .connect()
        .unsafe(`create extension hstore; create schema lists; create type lists.point as (a text);
        create table extended (id int primary key, h hstore, points lists.point[])`);
      assert.deepEqual(await check(['public.extended']), []);
    });

    test('a table whose columns differ only in case stops Debezium, enrolled or not', async () => {
      const sql = database.connect();
      await sql.unsafe('create table clean (id int primary key)');
      assert.deepEqual(await check(['public.clean']), []);
      await sql.unsafe('create table "Cased" (id int primary key, "é" text, "É" text)');
      for (const names of [['public.clean'], ['public.Cased']]) {
        const [finding, ...more] = await check(names);
        assert.deepEqual(
          [finding?.level, finding?.code, finding?.table, more],
          ['error', 'column_case', 'public.Cased', []],
        );
        assert.match(finding?.reason ?? '', /é and É differ/);
      }
      await sql.unsafe('drop table "Cased"');
    });
  });
