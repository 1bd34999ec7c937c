import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, minutesFromNow } from '../support/foreign.ts';
import { keyState, versionOf } from '../support/key-state.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { outcomeOf, type Session } from '../support/sessions.ts';

/** Look-alikes of everything that the trigger functions use; each raises, so that none can be used unseen. */
const EVIL = `
  create schema evil authorization app;
  create function evil.caught() returns void language plpgsql as $$ begin raise exception 'hijacked'; end $$;
  ${[
    ['=', 'bigint', 'bigint', 'boolean'],
    ['<>', 'text', 'text', 'boolean'],
    ['=', 'text', 'text', 'boolean'],
    ['>', 'timestamptz', 'timestamptz', 'boolean'],
    ['=', 'timestamptz', 'timestamptz', 'boolean'],
    ['>', 'text', 'text', 'boolean'],
    ['+', 'timestamptz', 'interval', 'timestamptz'],
    ['+', 'bigint', 'bigint', 'bigint'],
    ['+', 'bigint', 'integer', 'bigint'],
    ['*', 'numeric', 'integer', 'numeric'],
    ['||', 'jsonb', 'jsonb', 'jsonb'],
    ['->', 'jsonb', 'text', 'jsonb'],
    ['?', 'jsonb', 'text', 'boolean'],
    ['~~', 'text', 'text', 'boolean'],
    ['=', 'numeric', 'numeric', 'boolean'],
    ['-', 'numeric', 'numeric', 'numeric'],
    ['+', 'numeric', 'numeric', 'numeric'],
    ['=', 'jsonb', 'jsonb', 'boolean'],
    ['<>', 'jsonb', 'jsonb', 'boolean'],
    ['-', 'jsonb', 'text[]', 'jsonb'],
    ['?&', 'jsonb', 'text[]', 'boolean'],
    ['->>', 'jsonb', 'integer', 'text'],
    ['->>', 'json', 'text', 'text'],
    ['<>', 'bigint', 'integer', 'boolean'],
  ]
    .map(
      ([operator, left, right, result], n) => `
  create function evil.f${n}(${left}, ${right}) returns ${result} language plpgsql as $$ begin perform evil.caught(); return null; end $$;
  create operator evil.${operator} (leftarg = ${left}, rightarg = ${right}, function = evil.f${n});`,
    )
    .join('')}
  ${[
    ['clock_timestamp()', 'timestamptz'],
    ['pg_current_xact_id()', 'xid8'],
    ['current_setting(text)', 'text'],
    ['to_jsonb(anyelement)', 'jsonb'],
    ['jsonb_build_object(text, bigint)', 'jsonb'],
    ['extract(text, timestamptz)', 'numeric'],
    ['int8(numeric)', 'bigint'],
    ['abs(numeric)', 'numeric'],
    ['format(text, bigint)', 'text'],
    ['row_to_json(record)', 'json'],
    ['array_append(text[], text)', 'text[]'],
    ['cardinality(text[])', 'integer'],
    ['jsonb_build_array(bigint, text)', 'jsonb'],
  ]
    .map(
      ([signature, result]) => `
  create function evil.${signature} returns ${result} language plpgsql as $$ begin perform evil.caught(); return null; end $$;`,
    )
    .join('')}
  create domain evil.int8 as pg_catalog.text; create domain evil.timestamptz as pg_catalog.text; create domain evil.jsonb as pg_catalog.text;
  create domain evil.bool as pg_catalog.text; create domain evil.interval as pg_catalog.text; create domain evil.text as pg_catalog.int4;
  create table evil.region (source_region pg_catalog.text, floor pg_catalog.timestamptz); create table evil.t (id pg_catalog.int4);
  create table evil.limbo (table_name pg_catalog.text); create table evil.pg_attribute (attname pg_catalog.text);`;

for (const version of ['15', '18'] as const)
  describe(`rights of the trigger functions, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu'],
        schema: `create table t (id bigint primary key, v text, iv interval, made text generated always as (v || '!') stored);
          do $$ begin if not exists (select from pg_roles where rolname = 'landlord') then create role landlord login; end if; end $$;
          create function positive(int) returns boolean language plpgsql as $$ begin insert into ran values ('domain', current_user); return $1 > 0; end $$;
          create domain counted as int check (positive(value));
          create table ran (what text, as_user text); grant insert, select on ran to public;
          create table owned (id counted primary key, v text); alter table owned owner to landlord;
          create table joined (id bigint primary key, n numeric not null default 0, v text unique, w text, made text generated always as (v || '!') stored);
          alter table joined owner to landlord;
          create table private (id int primary key)`,
        tables: ['public.t', 'public.owned', { name: 'public.joined', policy: 'merge', counters: ['n'] }],
      });
      app = us.session();
    });

    test('the application, which may do nothing in the schemas of Concord, inserts, updates, moves and deletes', async () => {
      const key = ++id;
      for (const relation of ['concord.region', 'concord.conflict', 'concord_public.t', 'concord_public.owned'])
        for (const statement of [`select from ${relation}`, `delete from ${relation}`])
          assert.equal(await outcomeOf(app.run(statement)), '42501', statement);
      await app.run(`insert into t values (${key}, 'a'); update t set v = 'b' where id = ${key};
        update t set id = ${key + 1000} where id = ${key}; delete from t where id = ${key + 1000}`);
      assert.deepEqual([await keyState(us.sql, key), await keyState(us.sql, key + 1000)], ['tombstone', 'tombstone']);
    });

    test('the apply role writes rows and tombstones and can do nothing else', async () => {
      const apply = us.session('concord_apply');
      const refused = [
        'truncate public.t',
        'truncate concord_public.t',
        'create table public.x ()',
        'create table concord.x ()',
        'create table concord_public.x ()',
        'create schema x',
        'create temp table x ()',
        'select from public.private',
        'insert into public.private values (1)',
        'drop table public.t',
        'alter table public.t add x int',
        'alter table public.t disable trigger all',
        'update concord.region set name = name',
        'delete from concord.enrolled_table',
        'delete from concord.conflict',
        'update concord.conflict set kind = kind',
        'delete from concord.watermark',
        'select from concord.migration',
        'create role x',
        'set role postgres',
        `select pg_read_file('postgresql.conf')`,
      ];
      const expected = new Map([['create temp table x ()', 'ok']]);
      for (const statement of refused)
        assert.equal(await outcomeOf(apply.run(statement)), expected.get(statement) ?? '42501', statement);
    });

    test('the capture role reads rows and tombstones and writes nothing', async () => {
      const capture = us.session('concord_capture');
      for (const relation of ['public.t', 'concord_public.t', 'concord.region']) {
        assert.equal(await outcomeOf(capture.run(`select from ${relation}`)), 'ok');
        assert.equal(await outcomeOf(capture.run(`delete from ${relation}`)), '42501');
      }
    });

    test('look-alike operators, functions, types and tables on the search_path are not used', async () => {
      const [plain, twice, ahead] = [++id, ++id, ++id];
      await us.sql.unsafe(EVIL);
      await us.sql.unsafe('grant all on all tables in schema evil to app');
      await us.receive(
        'eu',
        foreignRow('public.t', { id: `${ahead}` }, { v: 'x', iv: null }, { region: 'eu', stamp: minutesFromNow(1) }),
      );
      const is = (key: number) => `id operator(pg_catalog.=) ${key}::pg_catalog.int8`;
      const statements = [
        `insert into public.t values (${plain}, 'a', '1 day'), (${twice}, 'a', null)`,
        `update public.t set v = 'a' where ${is(plain)}`,
        `update public.t set v = 'b' where ${is(plain)}`,
        `update public.t set id = ${plain + 1000} where ${is(plain)}`,
        `update public.t set id = ${plain} where ${is(plain + 1000)}`,
        `delete from public.t where ${is(plain)}`,
        `delete from public.t where ${is(ahead)}`,
        `with d as (delete from public.t where ${is(twice)} returning *) insert into public.t (id, v) select id, 'again' from d`,
        `insert into public.joined values (${plain}, 1.5, 'a', 'b')`,
        `update public.joined set w = 'c', n = 2 where ${is(plain)}`,
        `update public.joined set id = ${plain + 1000}, v = 'd' where ${is(plain)}`,
        `delete from public.joined where ${is(plain + 1000)}`,
        `insert into public.joined values (${plain + 1000})`,
        `with d as (delete from public.joined where ${is(plain + 1000)} returning *) insert into public.joined (id, v) select id, 'again' from d`,
      ];
      for (const isolation of ['read committed', 'repeatable read'] as const) {
        const session = us.session();
        await session.run(`create temp table if not exists t (id int); create temp table region (x int)`);
        await session.run(`set search_path = evil, pg_temp, pg_catalog, public`);
        assert.equal(
          await outcomeOf(session.run('select 1::pg_catalog.int8 = 1::pg_catalog.int8')),
          'P0001',
          'the trap works',
        );
        await session.begin(isolation);
        for (const statement of statements) await session.run(statement);
        if (isolation === 'read committed') await session.rollback();
        else await session.commit();
      }
      assert.deepEqual(
        [await keyState(us.sql, plain), await keyState(us.sql, ahead), await keyState(us.sql, twice)],
        ['tombstone', 'tombstone', 'row over tombstone'],
      );
      assert.equal((await versionOf(us.sql, ahead, 'concord_public.t')).vector.us !== undefined, true);
    });

    test('what a table owner hangs onto the table never runs with more rights than the owner has', async () => {
      const landlord = us.session('landlord');
      await us.sql.unsafe('grant create on schema public to landlord; grant all on owned to app; delete from ran');
      await landlord.run(`
        create function spy() returns trigger language plpgsql as $$ begin insert into ran values (tg_name, current_user); return coalesce(new, old); end $$;
        create trigger spy_before before insert or update or delete on owned for each row execute function spy();
        create trigger spy_after after insert or update or delete on owned for each row execute function spy()`);
      for (const isolation of ['read committed', 'repeatable read'] as const) {
        await app.begin(isolation);
        await app.run(`insert into owned values (1, 'a'), (2, 'a')`);
        await app.run(`with d as (delete from owned where id = 1 returning *) insert into owned select id, 'b' from d`);
        await app.run(`update owned set id = 3 where id = 2; delete from owned`);
        await app.commit();
      }
      const ran = await us.sql`select distinct as_user from ran order by 1`;
      assert.deepEqual(
        ran.map(({ as_user }) => as_user),
        ['app', 'landlord'],
      );
    });
  });
