import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Sql } from '@concord/runtime';
import { enroll } from '../../functions/enroll/enroll.ts';
import { type Finding, preflight } from '../../functions/enroll/preflight.ts';
import { startCluster } from '../../local/postgres/cluster.ts';
import { NOTHING, watchCatalogue } from '../support/catalogue-changes.ts';
import { createDatabase, type TestDatabase, useCluster } from '../support/cluster.ts';
import { createApplicationSchema, topologyOf } from '../support/regions.ts';

/** `error no_primary_key`, and what its reason must tell; the table is `public.<name of the case>` unless it says otherwise. */
type Case = {
  readonly name: string;
  readonly schema: string;
  readonly finds: readonly string[];
  readonly reason: RegExp;
  readonly table?: string;
  readonly skipOn?: string;
};

const CASES: readonly Case[] = [
  { name: 'missing', schema: '', finds: ['error no_such_table'], reason: /does not exist/ },
  { name: 'a_view', schema: 'create view a_view as select 1 as id', finds: ['error no_such_table'], reason: /a view/ },
  {
    name: 'a_matview',
    schema: 'create materialized view a_matview as select 1 as id',
    finds: ['error no_such_table'],
    reason: /a materialized view/,
  },
  {
    name: 'a_foreign',
    schema:
      'create foreign data wrapper nowhere; create server s foreign data wrapper nowhere; create foreign table a_foreign (id int) server s',
    finds: ['error no_such_table'],
    reason: /a foreign table/,
  },
  { name: 'a_sequence', schema: 'create sequence a_sequence', finds: ['error no_such_table'], reason: /a sequence/ },
  { name: 'a_type', schema: 'create type a_type as (id int)', finds: ['error no_such_table'], reason: /a type/ },
  {
    name: 'keyless',
    schema: 'create table keyless (id int unique not null)',
    finds: ['error no_primary_key', 'warning secondary_unique'],
    reason: /no primary key/,
  },
  {
    name: 'deferred',
    schema: 'create table deferred (id int primary key deferrable)',
    finds: ['error deferrable_key'],
    reason: /deferrable/,
  },
  {
    name: 'unlogged',
    schema: 'create unlogged table unlogged (id int primary key)',
    finds: ['error unlogged'],
    reason: /unlogged/,
  },
  {
    name: 'half_unlogged',
    schema: `create table half_unlogged (id int primary key) partition by range (id);
      create unlogged table half_unlogged_1 partition of half_unlogged for values from (0) to (9)`,
    finds: ['error unlogged'],
    reason: /unlogged/,
  },
  {
    name: 'parent',
    schema: 'create table parent (id int primary key); create table heir (extra int) inherits (parent)',
    finds: ['error inheritance'],
    reason: /inheritance/,
  },
  {
    name: 'child',
    schema: 'create table elder (id int primary key); create table child (primary key (id)) inherits (elder)',
    finds: ['error inheritance'],
    reason: /inheritance/,
  },
  {
    name: 'a_part',
    schema:
      'create table whole (id int primary key) partition by range (id); create table a_part partition of whole for values from (0) to (9)',
    finds: ['error partition'],
    reason: /is a partition/,
  },
  {
    name: 'far_away',
    schema: `create foreign data wrapper far; create server far foreign data wrapper far; create table far_away (id int not null) partition by range (id);
      create foreign table far_away_1 partition of far_away for values from (0) to (9) server far`,
    finds: ['error no_primary_key', 'error foreign_partition'],
    reason: /far_away_1/,
  },
  {
    name: 'ruled',
    schema: 'create table ruled (id int primary key); create rule soft as on delete to ruled do instead nothing',
    finds: ['error rules'],
    reason: /soft/,
  },
  {
    name: 'excluding',
    schema: 'create table excluding (id int primary key, r int4range, constraint apart exclude using gist (r with &&))',
    finds: ['error exclude'],
    reason: /apart/,
  },
  {
    name: 'always',
    schema: trigger('always', 'tattle', 'after insert', 'each row') + 'alter table always enable always trigger tattle',
    finds: ['error always_trigger'],
    reason: /tattle fires for applied rows/,
  },
  {
    name: 'always_statement',
    schema:
      trigger('always_statement', 'tattle', 'after insert', 'each statement') +
      'alter table always_statement enable always trigger tattle',
    finds: ['error always_trigger'],
    reason: /tattle fires for applied rows/,
  },
  {
    name: 'replica',
    schema:
      trigger('replica', 'tattle', 'after insert', 'each row') + 'alter table replica enable replica trigger tattle',
    finds: ['error always_trigger'],
    reason: /tattle fires for applied rows/,
  },
  {
    name: 'always_part',
    schema: `create table always_part (id int primary key) partition by range (id); create table always_part_1 partition of always_part default;
      create trigger tattle after insert on always_part_1 for each row execute function nothing(); alter table always_part_1 enable always trigger tattle`,
    finds: ['error always_trigger'],
    reason: /tattle/,
  },
  {
    name: 'late',
    schema: trigger('late', '~~late', 'before insert', 'each row'),
    finds: ['error trigger_order'],
    reason: /~~late fires after/,
  },
  {
    name: 'early',
    schema: trigger('early', ' early', 'after delete', 'each row'),
    finds: ['error trigger_order'],
    reason: / early fires before/,
  },
  {
    name: 'clash',
    schema: 'create table clash (id int primary key, _version text)',
    finds: ['error name_clash'],
    reason: /_version/,
  },
  {
    name: 'clash_local',
    schema: 'create table clash_local (id int primary key, _local boolean)',
    finds: ['error name_clash'],
    reason: /_local/,
  },
  {
    name: 'reserved',
    schema: 'create table reserved (id int primary key, __op text, _table text)',
    finds: ['error name_clash', 'error name_clash'],
    reason: /__op/,
  },
  {
    name: 'pictures',
    schema: 'create table pictures (image int primary key)',
    finds: ['error name_clash'],
    reason: /image/,
  },
  {
    name: 'made_key',
    schema: 'create table made_key (a int, id int generated always as (a + 1) stored primary key)',
    finds: ['error generated_key'],
    reason: /column id is generated/,
  },
  {
    name: 'always_identity',
    schema: 'create table always_identity (id bigint primary key, n bigint generated always as identity)',
    finds: ['error identity_always'],
    reason: /column n is GENERATED ALWAYS/,
  },
  {
    name: 'virtual',
    schema: 'create table virtual (id bigint primary key, n int generated always as (1) virtual)',
    finds: ['error virtual_column'],
    reason: /column n is a virtual/,
    skipOn: '15',
  },
  {
    name: 'unreadable',
    schema: 'create table unreadable (id bigint primary key, n pg_ndistinct)',
    finds: ['error column_type'],
    reason: /pg_ndistinct/,
  },
  {
    name: 'ints',
    schema: 'create table ints (id serial primary key)',
    finds: ['warning serial'],
    reason: /with 32 slots each region can issue 67108863 ids/,
  },
  {
    name: 'shorts',
    schema: 'create table shorts (id smallint generated by default as identity primary key)',
    finds: ['warning serial'],
    reason: /each region can issue 1023 ids/,
  },
  {
    name: 'falling',
    schema: 'create table falling (id bigint generated by default as identity (increment -1) primary key)',
    finds: ['error serial'],
    reason: /counts down/,
  },
  {
    name: 'round',
    schema: 'create table round (id bigint generated by default as identity (maxvalue 100 cycle) primary key)',
    finds: ['error serial'],
    reason: /starts again/,
  },
  {
    name: 'uniques',
    schema: 'create table uniques (id bigint primary key, email text unique)',
    finds: ['warning secondary_unique'],
    reason: /uniques_email_key/,
  },
  {
    name: 'orphans',
    schema:
      'create table outside (id bigint primary key); create table orphans (id bigint primary key references outside)',
    finds: ['warning foreign_key'],
    reason: /references outside/,
  },
  {
    name: 'restricted',
    schema: `create table restricted (id bigint primary key); alter table restricted enable row level security;
      create policy never on restricted as restrictive using (false); create policy app_only on restricted as restrictive to app using (false)`,
    finds: ['error row_security'],
    reason: /\(never\)/,
  },
  {
    name: 'forced',
    schema: `create table forced (id bigint primary key); alter table forced enable row level security; alter table forced force row level security;
      alter table forced owner to app`,
    finds: ['error row_security'],
    reason: /forced upon its owner/,
  },
  {
    name: 'own',
    table: 'concord_x.own',
    schema: 'create schema concord_x; create table concord_x.own (id bigint primary key)',
    finds: ['error schema_name'],
    reason: /Concord's own/,
  },
  {
    name: 'long',
    table: `${'s'.repeat(56)}.long`,
    schema: `create schema ${'s'.repeat(56)}; create table ${'s'.repeat(56)}.long (id bigint primary key)`,
    finds: ['error schema_name'],
    reason: /longer than 55 bytes/,
  },
];

function trigger(table: string, name: string, when: string, each: string): string {
  return `create table ${table} (id int primary key); create trigger "${name}" ${when} on ${table} for ${each} execute function nothing();`;
}

const CLEAN = `
  create table clean (id bigint generated always as identity primary key, a uuid, "B" text[], g text generated always as ('x') stored,
    parent bigint references clean, image jsonb, j json, ts tsvector);
  create table clean_parts (id bigint, day date, primary key (id, day)) partition by range (day);
  create table clean_parts_1 partition of clean_parts default;
  create trigger users_before before insert or update or delete on clean for each row execute function nothing();
  create trigger users_after after insert or update or delete on clean for each row execute function nothing();
  create trigger " statement" after insert on clean for each statement execute function nothing();
  create trigger off after insert on clean for each row execute function nothing(); alter table clean disable trigger off;
  alter table clean enable row level security; create policy mine on clean using (true);`;

const shown = (findings: readonly Finding[]): string[] => findings.map(({ level, code }) => `${level} ${code}`);

function wellFormed(findings: readonly Finding[]): void {
  for (const { reason, hint } of findings) assert.ok(reason.length > 10 && hint.length > 5, `${reason}: ${hint}`);
}

for (const version of ['15', '18'] as const)
  describe(`preflight, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let database: TestDatabase;
    let sql: Sql;
    const check = async (table: string, db = sql): Promise<readonly Finding[]> =>
      (await db.begin('read only', (tx) => preflight(tx, topologyOf({ names: ['us', 'eu'], tables: [table] }), 'us')))
        .findings;

    before(async () => {
      database = await createDatabase(await cluster());
      sql = database.connect();
      await createApplicationSchema(
        sql,
        'create function nothing() returns trigger language plpgsql as $$ begin return new; end $$',
      );
      for (const { schema, skipOn } of CASES) if (skipOn !== version) await sql.unsafe(schema);
      await sql.unsafe(CLEAN);
    });

    for (const { name, table = `public.${name}`, finds, reason, skipOn } of CASES)
      test(`finds ${finds.join(' and ')} in ${name}, reading only`, { skip: skipOn === version }, async () => {
        const findings = await check(table);
        assert.deepEqual(shown(findings), finds);
        assert.ok(findings.every((finding) => finding.table === table));
        assert.match(findings.map((finding) => finding.reason).join('\n'), reason);
        wellFormed(findings);
      });

    test('finds nothing in clean tables, before and after they are enrolled, and changes nothing', async () => {
      const changes = await watchCatalogue(sql);
      const topology = topologyOf({ names: ['us', 'eu'], tables: ['public.clean', 'public.clean_parts'] });
      await sql.begin('read only', async (tx) =>
        assert.deepEqual(await preflight(tx, topology, 'us'), { ok: true, findings: [] }),
      );
      assert.deepEqual(await changes(), NOTHING);
      await enroll(sql, { topology, region: 'us', greatestIds: {} });
      assert.deepEqual(await preflight(sql, topology, 'us'), { ok: true, findings: [] });
      const elsewhere = await preflight(sql, topology, 'eu');
      assert.deepEqual([elsewhere.ok, shown(elsewhere.findings)], [false, ['error region']]);
      assert.match(elsewhere.findings[0]?.reason ?? '', /is region 'us'/);
    });

    test('a warning does not refuse', async () => {
      const report = await preflight(sql, topologyOf({ names: ['us', 'eu'], tables: ['public.uniques'] }), 'us');
      assert.equal(report.ok, true);
    });

    test('finds a region that is not in the topology', async () => {
      const report = await preflight(sql, topologyOf({ names: ['us', 'eu'], tables: [] }), 'mars');
      assert.deepEqual(shown(report.findings).slice(0, 1), ['error region']);
      assert.match(report.findings[0]?.hint ?? '', /us, eu/);
    });

    test('finds a temporary table, in the session that has it', async () => {
      await sql`create temp table passing (id bigint primary key)`;
      const [schema] = await sql`select nspname as name from pg_namespace where oid = pg_my_temp_schema()`;
      assert.deepEqual(shown(await check(`${schema?.name}.passing`)), ['error temporary']);
    });

    test('finds a table that a native subscription writes to', async () => {
      const other = (await createDatabase(await cluster())).connect();
      await other.unsafe('create table subscribed (id bigint primary key); create publication p for table subscribed');
      const publisher = `host=127.0.0.1 user=postgres port=${(await cluster()).port} dbname=${other.options.database}`;
      await sql.unsafe(`create table subscribed (id bigint primary key);
        create subscription s connection '${publisher}' publication p with (create_slot = false, slot_name = none, enabled = false)`);
      assert.deepEqual(shown(await check('public.subscribed')), ['error subscription']);
      await sql.unsafe('drop subscription s');
    });

    test('finds what a plain role lacks, before and after Concord is there', async () => {
      const plain = database.connect({ user: 'app' });
      const missing = ['create_role', 'create_schema', 'session_replication_role', 'replication_role', 'not_owner'];
      for (const table of ['public.ints', 'public.clean']) {
        const findings = (await check(table, plain)).filter(({ level }) => level === 'error');
        assert.deepEqual(
          findings.map(({ code }) => code),
          missing,
        );
        wellFormed(findings);
      }
    });
  });

describe('preflight of a server that is not set up', { timeout: 120_000 }, () => {
  const started = startCluster({
    version: '18',
    name: 'preflight',
    settings: { wal_level: 'replica', max_wal_senders: 0 },
  });
  after(async () => (await started).remove());

  test('finds wal_level and missing WAL senders', async () => {
    const database = await createDatabase(await started);
    const report = await preflight(database.connect(), topologyOf({ names: ['us'], tables: [] }), 'us');
    await database.close();
    assert.deepEqual([report.ok, shown(report.findings)], [false, ['error wal_level', 'error replication_slots']]);
    assert.match(report.findings[0]?.hint ?? '', /wal_level = logical/);
    wellFormed(report.findings);
  });
});
