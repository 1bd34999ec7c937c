import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sql } from '@concord/runtime';
import { enroll } from '../../functions/enroll/enroll.ts';
import { checkPublication, readPublication } from '../../functions/enroll/publication.ts';
import type { PostgresVersion } from '../../local/postgres/binaries.ts';
import { createDatabase, useCluster } from '../support/cluster.ts';
import { createApplicationSchema, topologyOf } from '../support/regions.ts';

const SCHEMA = `
  create table users (id int primary key, email text, code text not null unique);
  create table sums (id int primary key, a int, twice int generated always as (a * 2) stored);
  create table parts (id int, day int, primary key (id, day)) partition by range (day);
  create table parts_1 partition of parts for values from (0) to (10);
  create table plain (id int primary key);
  create schema "Other"; create table "Other"."T" (id int primary key, v text);`;
const topology = topologyOf({ names: ['us'], tables: ['public.users', 'public.sums', 'public.parts', 'Other.T'] });

/** What somebody did to the publication, and what the check must say of it: `code`, or `code table`. */
type Case = {
  readonly name: string;
  readonly alter: string;
  readonly finds: readonly string[];
  readonly only?: PostgresVersion;
};

const CASES: readonly Case[] = [
  { name: 'dropped', alter: 'drop publication concord', finds: ['publication_missing'] },
  {
    name: 'publishes deletes',
    alter: `alter publication concord set (publish = 'insert, update, delete')`,
    finds: ['operations'],
  },
  {
    name: 'publishes truncates',
    alter: `alter publication concord set (publish = 'insert, update, truncate')`,
    finds: ['operations'],
  },
  {
    name: 'does not publish inserts',
    alter: `alter publication concord set (publish = 'update')`,
    finds: ['operations'],
  },
  {
    name: 'does not publish updates',
    alter: `alter publication concord set (publish = 'insert')`,
    finds: ['operations'],
  },
  {
    name: 'as CREATE PUBLICATION makes it',
    alter: `alter publication concord set (publish = 'insert, update, delete, truncate')`,
    finds: ['operations', 'operations'],
  },
  {
    // PostgreSQL itself refuses it while a partitioned table is published with a row filter.
    name: 'publishes partitions',
    alter:
      'alter publication concord drop table parts; alter publication concord set (publish_via_partition_root = false)',
    finds: ['partition_root', 'table_missing public.parts'],
  },
  {
    name: 'for all tables',
    alter: `drop publication concord; create publication concord for all tables with (publish = 'insert, update', publish_via_partition_root)`,
    finds: ['all_tables'],
    only: '15',
  },
  {
    name: 'for all tables',
    alter: `drop publication concord; create publication concord for all tables with (publish = 'insert, update', publish_via_partition_root)`,
    finds: ['all_tables', 'generated_columns'],
    only: '18',
  },
  { name: 'a whole schema', alter: 'alter publication concord add tables in schema public', finds: ['schema'] },
  {
    name: 'a table taken out',
    alter: 'alter publication concord drop table users',
    finds: ['table_missing public.users'],
  },
  {
    name: 'a tombstone table taken out',
    alter: 'alter publication concord drop table "concord_Other"."T"',
    finds: ['table_missing concord_Other.T'],
  },
  {
    name: 'the heartbeats taken out',
    alter: 'alter publication concord drop table concord.heartbeat',
    finds: ['table_missing concord.heartbeat'],
  },
  {
    name: 'a table without its row filter',
    alter: 'alter publication concord drop table users; alter publication concord add table users',
    finds: ['filter public.users'],
  },
  {
    name: 'a tombstone table without its row filter',
    alter:
      'alter publication concord drop table concord_public.users; alter publication concord add table concord_public.users',
    finds: ['filter concord_public.users'],
  },
  {
    name: 'another row filter',
    alter:
      'alter publication concord drop table users; alter publication concord add table users where (_local and id > 0)',
    finds: ['filter public.users'],
  },
  {
    name: 'heartbeats with a row filter',
    alter:
      'alter publication concord drop table concord.heartbeat; alter publication concord add table concord.heartbeat where (id > 3)',
    finds: ['filter concord.heartbeat'],
  },
  {
    name: 'a column list',
    alter: `alter publication concord drop table "Other"."T"; alter publication concord add table "Other"."T"
      (id, v, _version, _last_updated, _source_region, _tx_id, _version_vector, _local) where (_local)`,
    finds: ['column_list Other.T'],
  },
  { name: 'another table', alter: 'alter publication concord add table plain', finds: ['extra_table public.plain'] },
  {
    name: 'a partition by itself',
    alter: 'alter publication concord add table parts_1',
    finds: ['extra_table public.parts_1'],
  },
  {
    name: 'default replica identity',
    alter: 'alter table users replica identity default',
    finds: ['replica_identity public.users'],
  },
  {
    name: 'an index as replica identity',
    alter: 'alter table users replica identity using index users_code_key',
    finds: ['replica_identity public.users'],
  },
  {
    name: 'a partition without replica identity',
    alter: 'alter table parts_1 replica identity nothing',
    finds: ['replica_identity public.parts'],
  },
  {
    name: 'a tombstone table without replica identity',
    alter: 'alter table concord_public.sums replica identity default',
    finds: ['replica_identity concord_public.sums'],
  },
  {
    name: 'no generated columns',
    alter: 'alter publication concord set (publish_generated_columns = none)',
    finds: ['generated_columns'],
    only: '18',
  },
];

/** Messages of the stream by kind, `I` insert, `U` update, `D` delete; what was read is confirmed. */
async function decoded(sql: Sql): Promise<string> {
  const rows = await sql<{ kind: string }[]>`
    select chr(get_byte(data, 0)) as kind from pg_logical_slot_get_binary_changes('watching', null, null,
      'proto_version', '1', 'publication_names', 'concord') where get_byte(data, 0) in (68, 73, 85)`;
  return rows.map(({ kind }) => kind).join('');
}

for (const version of ['15', '18'] as const)
  describe(`an altered publication, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);

    async function enrolled(): Promise<Sql> {
      const sql = (await createDatabase(await cluster())).connect();
      await createApplicationSchema(sql, SCHEMA);
      await enroll(sql, { topology, region: 'us', greatestIds: {} });
      return sql;
    }

    let mended: Sql | undefined;

    test('as enrolling makes it there is nothing to find', async () => {
      assert.deepEqual(await checkPublication(await enrolled(), topology), []);
    });

    for (const { name, alter, finds } of CASES.filter((entry) => (entry.only ?? version) === version))
      test(`${name}: found, and mended by enrolling again`, async () => {
        const sql = mended ?? (await enrolled());
        // After a failure the next case gets a new database.
        mended = undefined;
        const before = await readPublication(sql);
        await sql.unsafe(alter).simple();
        const problems = await checkPublication(sql, topology);
        assert.deepEqual(
          problems.map(({ code, table }) => (table === undefined ? code : `${code} ${table}`)),
          finds,
        );
        for (const { reason, consequence, hint } of problems)
          assert.ok(reason !== '' && consequence !== '' && hint.includes('concord enroll'));
        const { unchanged } = await enroll(sql, { topology, region: 'us', greatestIds: {} });
        assert.equal(unchanged.length, topology.tables.length);
        assert.deepEqual(await readPublication(sql), before);
        assert.deepEqual(await checkPublication(sql, topology), []);
        mended = sql;
      });

    test('a table of the topology that is not enrolled yet is not published', async () => {
      const sql = await enrolled();
      const more = topologyOf({ names: ['us'], tables: ['public.users', 'public.plain'] });
      const problems = await checkPublication(sql, more);
      assert.deepEqual(
        problems.map(({ code, table }) => [code, table]),
        [
          ['table_missing', 'public.plain'],
          ['table_missing', 'concord_public.plain'],
          ['replica_identity', 'public.plain'],
        ],
      );
    });

    test('a table that left the topology and is still enrolled stays published', async () => {
      const sql = await enrolled();
      const less = topologyOf({ names: ['us'], tables: ['public.users'] });
      const before = await readPublication(sql);
      assert.deepEqual(await checkPublication(sql, less), []);
      await enroll(sql, { topology: less, region: 'us', greatestIds: {} });
      assert.deepEqual(await readPublication(sql), before);
    });

    test('mending loses no change, and applied rows stay in from then on', async () => {
      const sql = await enrolled();
      await sql`select pg_create_logical_replication_slot('watching', 'pgoutput')`;
      const write = (id: number, local: boolean): Promise<unknown> =>
        sql.begin(async (tx) => {
          await tx.unsafe(`set local session_replication_role = ${local ? 'origin' : 'replica'}`);
          await tx`insert into "Other"."T" (id) values (${id})`;
        });
      await write(1, true);
      await write(2, false);
      assert.equal(await decoded(sql), 'I');
      await sql.unsafe('drop publication concord; create publication concord for all tables').simple();
      await write(3, true);
      await write(4, false);
      await enroll(sql, { topology, region: 'us', greatestIds: {} });
      await write(5, true);
      await write(6, false);
      // Enrolling again writes no row of a published table.
      assert.equal(await decoded(sql), 'III');
      await sql`select pg_drop_replication_slot('watching')`;
    });
  });
