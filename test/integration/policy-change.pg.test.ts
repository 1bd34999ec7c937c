import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { RESOLVER } from '@concord/conflict';
import { parseTopology, type Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { notePeers, registerResolver } from '../../functions/apply/peers.ts';
import { type EnrollReport, enroll } from '../../functions/enroll/enroll.ts';
import { unenroll } from '../../functions/enroll/unenroll.ts';
import { NOTHING, watchCatalogue } from '../support/catalogue-changes.ts';
import { createDatabase, type TestDatabase, useCluster } from '../support/cluster.ts';
import { minutesFromNow } from '../support/foreign.ts';
import { heartbeatOf } from '../support/heartbeats.ts';
import { putVersion, storedLattice } from '../support/lattice-versions.ts';
import { readPublished } from '../support/published.ts';
import { createApplicationSchema, type TableOption, topologyOf } from '../support/regions.ts';
import { outcomeOf, sessionOf } from '../support/sessions.ts';

const NAMES = ['us', 'eu', 'ap'];
const T = 'public.t';
const SCHEMA = `create schema kinds; create type kinds.mood as enum ('ok');
  create table t (id bigint primary key, stock bigint not null default 0, v text, w text, mood kinds.mood);
  create table other (id bigint primary key, v text);`;
const MERGE: TableOption = { name: T, policy: 'merge', counters: ['stock'] };

const topologyWith = (table: TableOption, names = NAMES): Topology => {
  const isPriority = typeof table !== 'string' && table.policy === 'priority';
  return topologyOf({ names, tables: [table, 'public.other'], ...(isPriority && { priority: { us: 1000 } }) });
};

for (const version of ['15', '18'] as const)
  describe(`a policy that changes, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let database: TestDatabase;
    let sql: Sql;
    let applySql: Sql;

    before(async () => {
      await cluster();
    });

    async function begin(table: TableOption = T): Promise<void> {
      database = await createDatabase(await cluster());
      sql = database.connect();
      await createApplicationSchema(sql, SCHEMA);
      await enrollWith(table);
      applySql = database.connect({ user: 'concord_apply' });
    }

    const enrollWith = (table: TableOption, names?: string[]): Promise<EnrollReport> =>
      enroll(sql, { topology: topologyWith(table, names), region: 'us', greatestIds: {} });
    const run = (statement: string) => sessionOf(database.connect({ user: 'app' })).run(statement);
    const entry = async (name = T): Promise<Record<string, unknown>> =>
      (
        await sql`select policy, options, pending, review, rollout from concord.enrolled_table where table_name = ${name}`
      )[0] ?? {};
    const isLatticeRow = async (id: number): Promise<boolean> =>
      (await storedLattice(sql, T, id))?.version.lattice !== undefined;

    const beat = (region: string, second: number, resolver?: string): Promise<void> =>
      notePeers(applySql, [
        heartbeatOf(region, {
          beat_at: `2026-01-01 00:00:${String(second).padStart(2, '0')}.5+00`,
          ...(resolver && { resolver }),
        }),
      ]);

    test('waits for the apply functions of all regions, and is taken over when they are there', async () => {
      await begin();
      await run(`insert into t values (1, 5, 'x')`);
      const [physical] = await sql`select ctid::text, xmin::text from t`;
      const report = await enrollWith(MERGE);
      assert.deepEqual(report.pending, [{ table: T, waitsFor: NAMES }]);
      assert.deepEqual(report.unchanged, [T, 'public.other']);
      assert.deepEqual((await sql`select ctid::text, xmin::text from t`)[0], physical, 'nothing is rewritten');
      const rule = { policy: 'merge', groups: [], counters: ['stock'], delete: 'wins' };
      assert.deepEqual(await entry(), {
        policy: 'lww',
        options: { policy: 'lww', groups: [], counters: [], delete: 'lww' },
        pending: { ...rule, waitsFor: NAMES },
        review: 'log',
        rollout: 'live',
      });
      await run(`insert into t values (2, 5, 'x'); update t set stock = 6 where id = 1; delete from t where id = 2`);
      assert.equal(await isLatticeRow(1), false, 'the former triggers are at work');

      await registerResolver(applySql);
      await beat('eu', 1, '2');
      assert.deepEqual((await enrollWith(MERGE)).pending, [{ table: T, waitsFor: ['ap'] }]);
      await beat('ap', 1);
      assert.deepEqual(
        (await enrollWith(MERGE)).pending,
        [{ table: T, waitsFor: ['ap'] }],
        'a heartbeat of before says nothing',
      );
      await beat('ap', 2, '2');
      assert.deepEqual((await enrollWith(MERGE)).pending, []);
      assert.deepEqual(await entry(), {
        policy: 'merge',
        options: rule,
        pending: null,
        review: 'log',
        rollout: 'live',
      });
      await run(`update t set stock = stock + 1 where id = 1; insert into t values (2, 1, 'again')`);
      assert.deepEqual([await isLatticeRow(1), await isLatticeRow(2)], [true, true]);
      const { version: lifted } = (await storedLattice(sql, T, 1)) ?? {};
      assert.deepEqual(Object.values(lifted?.lattice?.counters.stock ?? {})[0]?.[1], '7');

      const changes = await watchCatalogue(sql);
      assert.deepEqual((await enrollWith(MERGE)).pending, []);
      assert.deepEqual(await changes(), NOTHING);
    });

    test('a change that is taken back while it waits is forgotten', async () => {
      await begin();
      await enrollWith(MERGE);
      assert.deepEqual((await enrollWith(T)).pending, []);
      assert.equal((await entry()).pending, null);
      await run(`insert into t values (1)`);
      assert.equal(await isLatticeRow(1), false);
    });

    test('a table that is enrolled anew has its policy at once, and so has the only region', async () => {
      await begin(MERGE);
      await run(`insert into t values (1, 5, 'x')`);
      assert.equal(await isLatticeRow(1), true);
      await unenroll(sql, T);
      await enrollWith(T, ['us']);
      assert.deepEqual((await enrollWith(MERGE, ['us'])).pending, []);
      assert.equal((await entry()).policy, 'merge');
    });

    test('a bonus, a review and another register policy wait for nobody; rollout is the operators’', async () => {
      await begin({ name: T, rollout: 'shadow' });
      assert.equal((await entry()).rollout, 'shadow');
      await sql`update concord.enrolled_table set rollout = 'off' where table_name = ${T}`;
      const report = await enrollWith({ name: T, policy: 'priority', review: 'manual', rollout: 'live' });
      assert.deepEqual(report.pending, []);
      const { policy, review, rollout } = await entry();
      assert.deepEqual({ policy, review, rollout }, { policy: 'priority', review: 'manual', rollout: 'off' });
    });

    test('a lattice that becomes a table of registers is above all it has seen, and its tags go with its next write', async () => {
      await begin(MERGE);
      await registerResolver(applySql);
      for (const region of ['eu', 'ap']) await beat(region, 1, '2');
      await run(`insert into t values (1, 5, 'x'), (2, 5, 'x'), (3, 5, 'x'); delete from t where id = 3`);
      const ahead = minutesFromNow(4);
      for (const id of [1, 2]) {
        const stored = await storedLattice(sql, T, id);
        assert.ok(stored);
        const version = { ...stored.version, vector: { ...stored.version.vector, eu: ahead } };
        await putVersion(applySql, T, id, version, { stock: '9', v: 'x' });
      }
      assert.deepEqual((await enrollWith(T)).pending, []);
      await run(`update t set v = v where id = 1`);
      assert.equal(await isLatticeRow(1), true, 'nothing was written');
      await run(`update t set v = 'y' where id = 1; delete from t where id = 2; insert into t values (3, 1, 'again')`);
      const [row, buried, again] = [
        await storedLattice(sql, T, 1),
        await storedLattice(sql, 'concord_public.t', 2),
        await storedLattice(sql, T, 3),
      ];
      for (const stored of [row, buried]) {
        assert.deepEqual([stored?.version.lattice, stored?.version.stamp], [undefined, ahead + 1]);
        assert.equal(stored?.version.vector.us, ahead + 1);
      }
      assert.equal(again?.version.lattice, undefined);
      const [tags] = await sql`select _incarnation, _column_stamps, _counters from t where id = 1`;
      assert.deepEqual(tags, { _incarnation: null, _column_stamps: null, _counters: null });
    });

    test('other counters begin a life of their own with the next write that changes something', async () => {
      await begin(MERGE);
      await registerResolver(applySql);
      for (const region of ['eu', 'ap']) await beat(region, 1, '2');
      await run(`insert into t values (1, 5, 'x')`);
      const before = await storedLattice(sql, T, 1);
      await enrollWith({ name: T, policy: 'merge' });
      await run('update t set v = v');
      assert.deepEqual(await storedLattice(sql, T, 1), before);
      await run(`update t set v = 'y'`);
      const after = await storedLattice(sql, T, 1);
      assert.deepEqual(after?.version.lattice?.incarnation, { stamp: after?.version.stamp, region: 'us' });
      assert.deepEqual([after?.version.lattice?.counters, after?.version.lattice?.registers], [{}, {}]);
    });

    test('a resolver is registered once, and never lowered; the heartbeat tells it', async () => {
      await begin();
      const published = await readPublished(sql, database.name);
      await registerResolver(applySql);
      const [written] = await sql`select resolver, xmin::text from concord.region`;
      assert.equal(written?.resolver, RESOLVER);
      await registerResolver(applySql);
      assert.deepEqual((await sql`select resolver, xmin::text from concord.region`)[0], written, 'not written again');
      await sql`update concord.region set resolver = 99`;
      await registerResolver(applySql);
      await database.connect({ user: 'concord_capture' })`select concord.beat()`;
      const beats = await published();
      assert.equal(beats.length, 8);
      assert.ok(beats.every(({ row }) => row.resolver === '99'));
      await notePeers(
        applySql,
        beats.map(({ row }) => heartbeatOf('eu', { ...row, source_region: 'eu' })),
      );
      assert.deepEqual([...(await sql`select region, resolver from concord.peer`)], [{ region: 'eu', resolver: 99 }]);
    });

    test('of heartbeats the newest counts, in any order, and few are written', async () => {
      await begin();
      const peers = async () =>
        (
          await sql`select region, resolver, extract(second from beat_at)::float8 as second from concord.peer order by 1`
        ).map((row) => ({ ...row }));
      await beat('eu', 20, '3');
      await beat('eu', 10, '2');
      await beat('eu', 25, '3');
      assert.deepEqual(await peers(), [{ region: 'eu', resolver: 3, second: 20.5 }]);
      await beat('eu', 26, '4');
      await beat('eu', 40, '4');
      assert.deepEqual(await peers(), [{ region: 'eu', resolver: 4, second: 40.5 }]);
      await notePeers(applySql, [
        heartbeatOf('ap', { beat_at: '2026-01-01 00:00:02+00', resolver: '2' }),
        heartbeatOf('ap', { beat_at: '2026-01-01 00:00:01.75+00', resolver: '1' }),
        heartbeatOf('ap', { beat_at: `'; drop table concord.peer`, resolver: '7' }),
        heartbeatOf('ap', { beat_at: '2026-01-01 00:00:09+00', resolver: 'x' }),
        { ...heartbeatOf('ap', { beat_at: '2026-01-01 00:00:10+00', resolver: '8' }), topic: 'concord.redrive' },
        { ...heartbeatOf('ap', {}), value: null },
      ]);
      assert.deepEqual((await peers())[0], { region: 'ap', resolver: 2, second: 2 });
    });

    test('operators write rows, for which the triggers fire, and collect tombstones, which they do not write', async () => {
      await begin(MERGE);
      const operator = sessionOf(database.connect({ user: 'concord_operator' }));
      await operator.run(
        `insert into t values (1, 5, 'x', null, 'ok'); update t set v = 'y'; insert into t values (2, 1, 'z'); delete from t where id = 2`,
      );
      const stored = await storedLattice(sql, T, 1);
      assert.deepEqual([stored?.version.region, stored?.local], ['us', true]);
      assert.equal((await operator.run('select image from concord_public.t')).length, 1);
      for (const statement of [
        'insert into concord_public.t (id) values (3)',
        `update concord_public.t set _last_updated = 'infinity'`,
        'truncate t',
        'create table public.x ()',
        'update concord.region set name = name',
      ])
        assert.notEqual(await outcomeOf(operator.run(statement)), 'ok', statement);
      await unenroll(sql, T);
      await unenroll(sql, 'public.other');
      assert.equal(await outcomeOf(operator.run('select from t')), '42501');
    });

    test('a topology of the release before, without policies, is taken for what its triggers do', async () => {
      await begin();
      await sql`update concord.enrolled_table set options = '{}'`;
      assert.deepEqual((await enrollWith(T)).pending, []);
      assert.deepEqual((await entry()).options, { policy: 'lww', groups: [], counters: [], delete: 'lww' });
      assert.ok(parseTopology({ version: 1, hub: 'us', regions: [{ name: 'us', slot: 0 }], tables: [{ name: T }] }).ok);
    });
  });
