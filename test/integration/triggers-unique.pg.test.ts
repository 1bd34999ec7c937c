import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { formatStamp, isNewer, type Ranked, type Stamp } from '@concord/conflict';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, minutesFromNow } from '../support/foreign.ts';
import { type StoredLattice, storedLattice } from '../support/lattice-versions.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters, outcomeOf, type Session } from '../support/sessions.ts';

const SCHEMA = `
  create table users (id bigint primary key, email text, nick text, tenant int, slug text generated always as (lower(nick)) stored, active bool default true,
    note text, extra text);
  create unique index users_email on users (email) include (extra);
  create unique index users_slug on users (tenant, slug) where active;
  create unique index users_note on users (upper(note)) nulls not distinct where false;
  create table merged (id bigint primary key, email text unique, v text, n bigint not null default 0);
  create table spelled (a numeric, b text, c date, email text unique, primary key (b, a, c));
  create table plain (id int primary key, v text);
  create table later (id bigint primary key, v text);
  insert into users (id, email) values (1, 'before');`;

for (const version of ['15', '18'] as const)
  describe(`claims and held rows in local writes, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 10;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu'],
        schema: SCHEMA,
        tables: [
          'public.users',
          { name: 'public.merged', policy: 'merge', counters: ['n'] },
          'public.spelled',
          'public.plain',
          'public.later',
        ],
      });
      app = us.session();
    });

    const claimOf = async (key: number, table = 'users'): Promise<unknown> =>
      (await us.sql.unsafe(`select _claim as claim from ${table} where id = ${key}`))[0]?.claim;
    const stampOf = async (key: number, table = 'users'): Promise<[Stamp, string]> => {
      const [row] = await us.sql.unsafe(
        `select _version_vector as v, _source_region as r from ${table} where id = ${key}`,
      );
      return [row?.v.us, row?.r];
    };
    const insert = (key: number) =>
      app.run(`insert into users (id, email, nick, tenant, extra) values (${key}, 'e${key}', 'N${key}', 7, 'x')`);

    test('only tables with a secondary unique index have a claim', async () => {
      const rows = await us.sql`select c.relname as name from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace where a.attname = '_claim' and n.nspname ~ 'public' order by 1`;
      assert.deepEqual(
        rows.filter(({ name }) => name !== 'late').map(({ name }) => name),
        ['merged', 'spelled', 'users'],
      );
    });

    test('an insert claims, whatever it says itself', async () => {
      const key = ++id;
      await app.run(`insert into users (id, email, _claim) values (${key}, 'e${key}', '[1, "eu"]')`);
      assert.deepEqual(await claimOf(key), await stampOf(key));
    });

    const CLAIMING = [
      [`a column of a key`, `email = 'other' || id`],
      [`a key to NULL`, `email = null`],
      [`what a generated column of a key is made of`, `nick = 'other' || id`],
      [`a column of a predicate`, `active = false`],
      [`a column of an expression`, `note = 'n'`],
      [`another column of a key of several`, `tenant = 8`],
    ] as const;
    for (const [what, assignment] of CLAIMING)
      test(`an update that changes ${what} claims anew`, async () => {
        const key = ++id;
        await insert(key);
        await app.run(`update users set ${assignment} where id = ${key}`);
        assert.deepEqual(await claimOf(key), await stampOf(key));
      });

    for (const [what, assignment] of [
      ['no column of a key', `extra = 'y'`],
      ['nothing', 'email = email'],
      ['only the claim', `_claim = null`],
    ] as const)
      test(`an update that changes ${what} keeps the claim`, async () => {
        const key = ++id;
        await insert(key);
        const claim = await claimOf(key);
        await app.run(`update users set ${assignment} where id = ${key}`);
        assert.deepEqual(await claimOf(key), claim);
      });

    test('a row without a claim has had it since its own version, also one from before enrolment', async () => {
      const [key, stamp] = [++id, minutesFromNow(-5)];
      await us.sql`set session_replication_role = replica`;
      await us.sql.unsafe(`insert into users (id, email, _source_region, _last_updated, _version_vector)
        values (${key}, 'e${key}', 'eu', '${formatStamp(stamp)}', '{"eu": ${stamp}}')`);
      await us.sql`reset session_replication_role`;
      await app.run(`update users set extra = 'y' where id in (1, ${key})`);
      assert.deepEqual(
        [await claimOf(key), await claimOf(1)],
        [
          [stamp, 'eu'],
          [0, ''],
        ],
      );
    });

    test('a pure increment and an edit of another column keep the claim of a lattice row', async () => {
      const key = ++id;
      await app.run(`insert into merged (id, email) values (${key}, 'e${key}')`);
      const claim = await stampOf(key, 'merged');
      await app.run(`update merged set n = n + 1 where id = ${key}; update merged set v = 'x' where id = ${key}`);
      assert.deepEqual(await claimOf(key, 'merged'), claim);
      await app.run(`update merged set email = 'new' || id where id = ${key}`);
      assert.deepEqual(await claimOf(key, 'merged'), await stampOf(key, 'merged'));
    });

    test('a dropped column takes its index along: writes go on', async () => {
      await us.sql.unsafe(
        `create table late (id int primary key, a text unique, b text unique); grant all on late to app`,
      );
      const { topology } = us;
      const tables = [
        ...topology.tables,
        { ...topology.tables[0], name: 'public.late' } as (typeof topology.tables)[number],
      ];
      const { enroll } = await import('../../functions/enroll/enroll.ts');
      await enroll(us.sql, { topology: { ...topology, tables }, region: 'us', greatestIds: {} });
      await app.run(`insert into late values (1, 'a', 'b')`);
      await us.sql.unsafe('alter table late drop a');
      await app.run(`update late set b = 'c'`);
      assert.deepEqual(await claimOf(1, 'late'), await stampOf(1, 'late'));
      await us.sql.unsafe('alter table late drop b, add c text');
      await enroll(us.sql, { topology: { ...topology, tables }, region: 'us', greatestIds: {} });
      await app.run(`update late set c = 'd'`);
      assert.equal(await claimOf(1, 'late'), null, 'no key, no claim');
    });

    test('an index that is created later brings the claim when the table is enrolled again, and nothing is written', async () => {
      await app.run(`insert into later values (1, 'a')`);
      const [before] = await us.sql`select ctid::text, xmin::text, _version_vector from later`;
      await us.sql`create unique index on later (v)`;
      await us.enroll();
      const [after] = await us.sql`select ctid::text, xmin::text, _version_vector from later`;
      assert.deepEqual(after, before);
      assert.equal(await claimOf(1, 'later'), null);
      await app.run(`insert into later values (2, 'b')`);
      assert.deepEqual(await claimOf(2, 'later'), await stampOf(2, 'later'));
      await us.receive(
        'eu',
        foreignRow('public.plain', { id: '9' }, { v: 'x' }, { region: 'eu', stamp: minutesFromNow(0) }),
      );
    });

    /** Holds a version of another region under a key, as apply does. */
    async function hold(table: string, key: readonly string[], stamp: Stamp, event: object = {}): Promise<void> {
      const version = { _version: '6', _version_vector: JSON.stringify({ ap: 5, eu: stamp }), ...event };
      await us.applySql`insert into concord.limbo (table_name, key, event, stamp, region) values (${table},
        ${JSON.stringify(key)}::text::jsonb, ${JSON.stringify(version)}::text::json, ${formatStamp(stamp)}::text::timestamptz, 'eu')`;
    }
    const heldOf = async (table: string): Promise<unknown[]> =>
      (await us.sql`select key from concord.limbo where table_name = ${table} order by key`).map(({ key }) => key);
    const rowOf = async (key: number, table = 'users'): Promise<StoredLattice> => {
      const stored = await storedLattice(us.sql, `public.${table}`, key).catch(() => undefined);
      if (stored === undefined) throw new Error(`no ${key}`);
      return stored;
    };
    const versionOf = async (key: number): Promise<Ranked & { vector: object; writes: number }> => {
      const [row] =
        await us.sql.unsafe(`select (extract(epoch from _last_updated) * 1e6)::int8::text as stamp, _source_region as region, _version_vector as vector,
        _version::int as writes from users where id = ${key}`);
      return { stamp: Number(row?.stamp), region: row?.region, vector: row?.vector, writes: row?.writes };
    };

    for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const)
      test(`an insert of a key that is held here is newer than the held row, which goes, ${isolation}`, async () => {
        const [key, other] = [++id, ++id];
        const stamp = minutesFromNow(3);
        await hold('public.users', [`${key}`], stamp);
        await hold('public.users', [`${other}`], stamp);
        await app.begin(isolation);
        await app.run(`insert into users (id, email) values (${key}, 'e${key}')`);
        await app.commit();
        const made = await versionOf(key);
        assert.deepEqual(made, {
          stamp: stamp + 1,
          region: 'us',
          vector: { ap: 5, eu: stamp, us: stamp + 1 },
          writes: 7,
        });
        assert.deepEqual(await heldOf('public.users'), [[`${other}`]]);
        await app.run(
          `insert into users (id, email) values (${other + 1000}, 'e${other}'); update users set id = ${other} where id = ${other + 1000}`,
        );
        assert.deepEqual(
          [(await versionOf(other)).vector, await heldOf('public.users')],
          [{ ap: 5, eu: stamp, us: stamp + 1 }, []],
        );
      });

    test('an insert that is taken back leaves the held row', async () => {
      const key = ++id;
      await hold('public.users', [`${key}`], minutesFromNow(3));
      await app.run(`begin; insert into users (id, email) values (${key}, 'e${key}'); rollback`);
      assert.deepEqual(await heldOf('public.users'), [[`${key}`]]);
      await us.sql`delete from concord.limbo`;
    });

    test('the newer of a tombstone and a held row is the parent', async () => {
      const [dead, alive] = [++id, ++id];
      for (const key of [dead, alive])
        await app.run(`insert into users (id, email) values (${key}, 'e${key}'); delete from users where id = ${key}`);
      await hold('public.users', [`${dead}`], minutesFromNow(-5));
      await hold('public.users', [`${alive}`], minutesFromNow(3));
      await app.run(`insert into users (id, email) values (${dead}, 'e${dead}'), (${alive}, 'e${alive}')`);
      assert.deepEqual(Object.keys((await versionOf(dead)).vector), ['us']);
      assert.deepEqual(Object.keys((await versionOf(alive)).vector), ['ap', 'eu', 'us']);
      assert.deepEqual(await heldOf('public.users'), []);
    });

    test('a held key is found by the equality of its type, whatever the settings of the session', async () => {
      await hold('public.spelled', ['a "b" \\c', '1.50', '2026-01-02'], minutesFromNow(3));
      await hold('public.spelled', ['a', '1.50', '2026-01-02'], minutesFromNow(3));
      await app.run(
        `set datestyle = 'German'; insert into spelled values (1.5, 'a "b" \\c', '02.01.2026', 'x'); reset datestyle`,
      );
      const [row] = await us.sql`select _version_vector as vector from spelled`;
      assert.deepEqual(Object.keys(row?.vector), ['ap', 'eu', 'us']);
      assert.deepEqual(await heldOf('public.spelled'), [['a', '1.50', '2026-01-02']]);
      await us.sql`delete from concord.limbo`;
    });

    test('an insert over a held row of a lattice begins a later life, and counts from what it holds', async () => {
      const [key, stamp] = [++id, minutesFromNow(3)];
      const vector = { ap: stamp + 10, eu: stamp };
      await hold('public.merged', [`${key}`], stamp, {
        _incarnation: JSON.stringify([stamp, 'eu']),
        _version_vector: JSON.stringify(vector),
        _counters: `{"n": {"eu": [${stamp}, "50"]}}`,
      });
      await app.run(`insert into merged (id, email, n) values (${key}, 'm${key}', 4)`);
      const { version } = await rowOf(key, 'merged');
      assert.deepEqual(version.lattice?.incarnation, { stamp: stamp + 11, region: 'us' });
      assert.deepEqual(version.lattice?.counters, { n: { us: [stamp + 11, '4'] } });
      assert.deepEqual(version.vector, { ...vector, us: stamp + 11 });
      assert.deepEqual(await heldOf('public.merged'), []);
    });

    for (const table of ['users', 'merged'])
      test(`a row that is held while an insert of its key waits is overtaken all the same (${table})`, async () => {
        const [key, taken, stamp] = [++id, ++id, minutesFromNow(3)];
        await app.run(`insert into ${table} (id, email) values (${taken}, 'taken')`);
        const [a, b] = [us.session(), us.session()];
        await a.begin();
        await a.run(`delete from ${table} where id = ${taken}`);
        const inserted = outcomeOf(b.run(`insert into ${table} (id, email) values (${key}, 'taken')`));
        await lockWaiters(us.sql);
        await hold(
          `public.${table}`,
          [`${key}`],
          stamp,
          table === 'merged' ? { _incarnation: JSON.stringify([stamp, 'eu']) } : {},
        );
        await a.commit();
        assert.equal(await inserted, 'ok');
        const [row] = await us.sql.unsafe(
          `select _version_vector as vector, _claim as claim from ${table} where id = ${key}`,
        );
        assert.deepEqual(row?.vector, { ap: 5, eu: stamp, us: stamp + 1 });
        assert.deepEqual(row?.claim, [stamp + 1, 'us']);
        assert.ok(isNewer({ stamp: stamp + 1, region: 'us' }, { stamp, region: 'eu' }));
        assert.deepEqual(await heldOf(`public.${table}`), []);
      });

    for (const isolation of ['repeatable read', 'serializable'] as const)
      test(`an insert under ${isolation} whose snapshot hides the held row fails with 40001`, async () => {
        const key = ++id;
        const b = us.session();
        await b.begin(isolation);
        await b.run('select from users limit 1');
        await hold('public.users', [`${key}`], minutesFromNow(3));
        assert.equal(await outcomeOf(b.run(`insert into users (id, email) values (${key}, 'e${key}')`)), '40001');
        await b.rollback();
        assert.deepEqual(await heldOf('public.users'), [[`${key}`]]);
        await us.sql`delete from concord.limbo`;
      });

    test('the application may neither read nor write what is held', async () => {
      for (const statement of ['select from concord.limbo', 'delete from concord.limbo'])
        assert.equal(await outcomeOf(app.run(statement)), '42501');
    });
  });
