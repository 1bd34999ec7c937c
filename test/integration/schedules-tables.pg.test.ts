import assert from 'node:assert/strict';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, foreignTombstone, minutesFromNow } from '../support/foreign.ts';
import { keyState, versionOf } from '../support/key-state.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { outcomeOf, type Session } from '../support/sessions.ts';

const SCHEMA = `
  create table t (id bigint primary key, v text);
  create table loose (id int primary key);
  create table parent (id int primary key, v text);
  create table child (id int primary key, p int references parent on delete cascade on update cascade,
    q int references loose on delete cascade, s int references loose on delete set null);
  create table parts (id int, day int, v text, primary key (id, day)) partition by range (day);
  create table parts_1 partition of parts for values from (0) to (10);
  create table parts_2 partition of parts for values from (10) to (20) partition by list (day);
  create table parts_2_rest partition of parts_2 default;`;

for (const version of ['15', '18'] as const)
  describe(`what happens to whole tables, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 0;

    before(async () => {
      const tables = ['public.t', 'public.parent', 'public.child', 'public.parts'];
      us = await createRegion(await cluster(), { names: ['us', 'eu'], schema: SCHEMA, tables });
      app = us.session();
    });

    const child = (key: number) => keyState(us.sql, key, 'public.child');
    const eu = (minutes: number) => ({ region: 'eu', stamp: minutesFromNow(minutes) });

    describe('TRUNCATE', () => {
      for (const statement of [
        't',
        'only t',
        'parts',
        'parts_1',
        'parts_2',
        'parts_2_rest',
        'parent cascade',
        'loose cascade',
      ])
        test(`of ${statement} is refused with a hint, whatever it would reach`, async () => {
          await assert.rejects(app.run(`truncate ${statement}`), { code: '0A000', hint: /DELETE/ });
        });

      for (const table of ['public.t', 'public.parts', 'public.parts_1', 'concord_public.t'])
        test(`of ${table} is not the apply role's to do`, async () => {
          assert.equal(await outcomeOf(us.session('concord_apply').run(`truncate ${table}`)), '42501');
        });
    });

    describe('foreign keys', () => {
      test('a cascade from an enrolled parent buries the children', async () => {
        const key = ++id;
        await app.run(`insert into parent values (${key}); insert into child (id, p) values (${key}, ${key})`);
        await app.run(`delete from parent where id = ${key}`);
        assert.equal(await child(key), 'tombstone');
        assert.equal((await versionOf(us.sql, key, 'concord_public.child')).local, true);
      });

      test('a cascaded key update stamps the children', async () => {
        const key = ++id;
        await app.run(`insert into parent values (${key}); insert into child (id, p) values (${key}, ${key})`);
        await app.run(`update parent set id = ${key + 1000} where id = ${key}`);
        assert.equal((await versionOf(us.sql, key, 'public.child')).writes, 2);
      });

      test('a cascade from a table that is not enrolled buries the children; set null stamps them', async () => {
        const [gone, loosened] = [++id, ++id];
        await app.run(`insert into loose values (${gone}), (${loosened}); insert into child (id, q) values (${gone}, ${gone});
          insert into child (id, s) values (${loosened}, ${loosened})`);
        await app.run(`delete from loose where id in (${gone}, ${loosened})`);
        assert.deepEqual([await child(gone), await child(loosened)], ['tombstone', 'row']);
        assert.equal((await versionOf(us.sql, loosened, 'public.child')).writes, 2);
      });

      test('an applied delete does not cascade: children travel as their own tombstones', async () => {
        const key = ++id;
        await app.run(`insert into parent values (${key}); insert into child (id, p) values (${key}, ${key})`);
        await us.receive('eu', foreignTombstone('public.parent', { id: `${key}` }, eu(1)));
        assert.deepEqual([await keyState(us.sql, key, 'public.parent'), await child(key)], ['tombstone', 'row']);
        await us.receive('eu', foreignTombstone('public.child', { id: `${key}` }, eu(1)));
        assert.equal(await child(key), 'tombstone');
      });

      test('a child is applied before its parent', async () => {
        const key = ++id;
        await us.receive('eu', foreignRow('public.child', { id: `${key}` }, { p: `${key}`, q: null, s: null }, eu(0)));
        assert.equal(await child(key), 'row');
      });
    });

    describe('partitions', () => {
      const parts = async (): Promise<string[]> => {
        const rows = await us.sql<{ line: string }[]>`
          select tableoid::regclass || ' ' || id || '/' || day || ' ' || coalesce(v, '') || ' ' || _source_region as line from parts
          union all select 'tombstone ' || id || '/' || day || ' ' || _source_region from concord_public.parts order by 1`;
        await us.sql`select set_config('session_replication_role', 'replica', false)`;
        await us.sql`delete from parts`;
        await us.sql`select set_config('session_replication_role', 'origin', false)`;
        await us.applySql`delete from concord_public.parts`;
        return rows.map(({ line }) => line);
      };

      test('a row that moves to another partition is a tombstone of its old key and a row of its new one', async () => {
        await app.run(`insert into parts values (1, 1, 'x'); update parts set day = 11 where id = 1`);
        assert.deepEqual(await parts(), ['parts_2_rest 1/11 x us', 'tombstone 1/1 us']);
      });

      test('a write to a partition itself is stamped as one to the root', async () => {
        await app.run(
          `insert into parts_1 values (2, 2, 'x'); update parts_1 set v = 'y'; insert into parts_1 values (3, 3); delete from parts_1 where id = 3`,
        );
        assert.deepEqual(await parts(), ['parts_1 2/2 y us', 'tombstone 3/3 us']);
      });

      test('applied rows and tombstones find their partition', async () => {
        const at = (key: number, day: number) => ({ id: `${key}`, day: `${day}` });
        await us.receive(
          'eu',
          foreignRow('public.parts', at(4, 4), { v: 'a' }, eu(-1)),
          foreignRow('public.parts', at(5, 15), { v: 'b' }, eu(-1)),
        );
        await us.receive(
          'eu',
          foreignRow('public.parts', at(4, 4), { v: 'a2' }, eu(0)),
          foreignTombstone('public.parts', at(5, 15), eu(0)),
        );
        assert.deepEqual(await parts(), ['parts_1 4/4 a2 eu', 'tombstone 5/15 eu']);
      });

      test('an applied row without a partition here is parked and does not stop its batch', async () => {
        const key = ++id;
        await us.receive(
          'eu',
          foreignRow('public.parts', { id: '6', day: '99' }, { v: 'a' }, eu(0)),
          foreignRow('public.t', { id: `${key}` }, { v: 'b' }, eu(0)),
        );
        const parked = await us.sql`delete from concord.parked returning reason, error`;
        assert.deepEqual(
          parked.map(({ reason }) => reason),
          ['refused'],
        );
        assert.match(parked[0]?.error, /no partition/);
        assert.equal(await keyState(us.sql, key), 'row');
      });

      test('a partition added later stamps and buries at once; updates are refused, and TRUNCATE is not, until enroll has run again', async () => {
        await us.sql.unsafe(
          `create table parts_3 partition of parts for values from (20) to (30); grant all on parts_3 to app`,
        );
        await app.run(`insert into parts values (7, 21, 'x'), (8, 21, 'y')`);
        await assert.rejects(app.run(`update parts set v = 'z' where day = 21`), { message: /cannot update table/ });
        await app.run(`truncate parts_3; insert into parts values (7, 21, 'x'), (8, 21, 'y')`);
        await us.enroll();
        await app.run(`update parts set v = 'z' where id = 7; delete from parts where id = 8`);
        await assert.rejects(app.run('truncate parts_3'), { code: '0A000' });
        assert.deepEqual(await parts(), ['parts_3 7/21 z us', 'tombstone 8/21 us']);
      });

      test('rows of a table that is attached come in as the bottom version, unpublished; detaching buries nothing', async () => {
        await us.sql.unsafe(
          `create table parts_4 (like parts including all); insert into parts_4 values (9, 31, 'filled')`,
        );
        await us.sql.unsafe('alter table parts attach partition parts_4 for values from (30) to (40)');
        const [attached] = await us.sql`select _source_region, _version_vector, _local from parts where id = 9`;
        assert.deepEqual(attached, { _source_region: '', _version_vector: {}, _local: false });
        await us.sql.unsafe('alter table parts detach partition parts_4');
        assert.deepEqual(await parts(), []);
      });
    });

    describe('changes of the schema', () => {
      test('a column with a volatile default gives existing rows values that no version tells of', async () => {
        const key = ++id;
        await app.run(`insert into t values (${key}, 'x'), (${++id}, 'y')`);
        const before = await versionOf(us.sql, key);
        await us.sql.unsafe('alter table t add token uuid default gen_random_uuid()');
        const [found] = await us.sql`select count(distinct token)::int as tokens, count(*)::int as rows from t`;
        assert.equal(found?.tokens, found?.rows);
        assert.equal((await versionOf(us.sql, key)).stamp, before.stamp);
        await us.sql.unsafe('alter table t drop token');
      });

      test('ALTER TYPE … USING rewrites rows without a new version', async () => {
        const key = ++id;
        await us.sql.unsafe('alter table t add n int default 7');
        await app.run(`insert into t values (${key}, 'x')`);
        const before = await versionOf(us.sql, key);
        await us.sql.unsafe(`alter table t alter n type text using n || '!'`);
        const [found] = await us.sql`select n from t where id = ${key}`;
        assert.equal(found?.n, '7!');
        assert.equal((await versionOf(us.sql, key)).stamp, before.stamp);
        await us.sql.unsafe('alter table t drop n');
      });

      test('a version that was written before a column existed means its constant default', async () => {
        const [fresh, known] = [++id, ++id];
        await us.receive('eu', foreignRow('public.t', { id: `${known}` }, { v: 'x' }, eu(-1)));
        await us.sql.unsafe(`alter table t add k int not null default 7`);
        await us.applySql`update t set k = 8 where id = ${known}`;
        for (const key of [fresh, known])
          await us.receive('eu', foreignRow('public.t', { id: `${key}` }, { v: 'y' }, eu(0)));
        const rows = await us.sql`select k from t where id in (${fresh}, ${known})`;
        assert.deepEqual(
          rows.map(({ k }) => k),
          [7, 7],
        );
        await us.sql.unsafe('alter table t drop k');
      });

      test('after a column was added, renamed and dropped the application still writes, deletes and is stamped', async () => {
        const key = ++id;
        const write = (v: string) =>
          app.run(
            `insert into t (id) values (${key}); update t set v = '${v}' where id = ${key}; delete from t where id = ${key}`,
          );
        await us.sql.unsafe('alter table t add extra text, add gone text generated always as (extra || 1) stored');
        await us.enroll();
        await write('added');
        await us.sql.unsafe('alter table t drop gone');
        await write('dropped the generated one');
        await us.sql.unsafe('alter table t rename extra to other');
        await write('renamed');
        await us.sql.unsafe('alter table t drop other');
        await write('dropped');
        assert.equal((await versionOf(us.sql, key, 'concord_public.t')).writes, 12);
      });
    });

    describe('data that is copied in', () => {
      async function copy(from: string, into: Session['sql'], table: string): Promise<void> {
        const out: Readable = await us.sql.unsafe(`copy ${from} to stdout`).readable();
        const write: Writable = await into.unsafe(`copy ${table} from stdin`).writable();
        await pipeline(out, write);
      }

      test('COPY by the application stamps each row by itself', async () => {
        const first = id + 1;
        id += 3;
        await copy(`(select g, 'copied' from generate_series(${first}, ${id}) g)`, app.sql, 't (id, v)');
        const [found] =
          await us.sql`select count(*)::int as rows, count(distinct _last_updated)::int as stamps, count(distinct _tx_id)::int as ids,
          bool_and(_local and _version_vector ->> 'us' is not null) as local from t where v = 'copied'`;
        assert.deepEqual(found, { rows: 3, stamps: 3, ids: 1, local: true });
      });

      test('a dump restored by the application is stamped anew; restored by the apply role it keeps its versions', async () => {
        const key = ++id;
        await us.receive('eu', foreignRow('public.t', { id: `${key}` }, { v: 'dumped' }, eu(-5)));
        await us.sql.unsafe('create table dump (like t)');
        await us.sql.unsafe(`insert into dump select * from t where id = ${key}`);
        const before = await versionOf(us.sql, key);
        await us.applySql`delete from t where id = ${key}`;
        await copy('dump', us.applySql, 't');
        assert.deepEqual({ ...(await versionOf(us.sql, key)), aheadMs: 0 }, { ...before, aheadMs: 0 });
        await us.applySql`delete from t where id = ${key}`;
        await copy('dump', app.sql, 't');
        const anew = await versionOf(us.sql, key);
        assert.deepEqual([anew.region, anew.local, Object.keys(anew.vector)], ['us', true, ['us']]);
        assert.ok(anew.stamp > before.stamp);
      });
    });
  });
