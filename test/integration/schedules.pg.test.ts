import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, foreignTombstone, minutesFromNow } from '../support/foreign.ts';
import { applyUpToGate, GATE_LIMITS, GATE_SCHEMA, GATE_TABLE } from '../support/gate.ts';
import { terminate } from '../support/interruptions.ts';
import { keyState, versionOf } from '../support/key-state.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { clockPast, lockWaiters, outcomeOf } from '../support/sessions.ts';

const T = 'public.t';
const row = (id: number, stamp: number, v = 'remote') => foreignRow(T, { id: `${id}` }, { v }, { region: 'eu', stamp });
const tombstone = (id: number, stamp: number) => foreignTombstone(T, { id: `${id}` }, { region: 'eu', stamp });

for (const version of ['15', '18'] as const)
  describe(`a key's row and tombstone under exact interleavings, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let id = 1000;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu'],
        schema: `create table t (id bigint primary key, v text); ${GATE_SCHEMA}`,
        tables: [T, GATE_TABLE],
        limits: GATE_LIMITS,
      });
      await us.sql.unsafe(`alter role concord_apply in database ${us.database.name} set deadlock_timeout = '10ms'`);
    });

    const isUnsettled = async (key: number): Promise<boolean> =>
      (await us.sql`select from concord.unsettled where key = ${`{${key}}`}::text[]`).length > 0;

    test('an insert that waited for a delete of a row from a fast clock is stamped above its tombstone', async () => {
      const key = ++id;
      await us.receive('eu', row(key, minutesFromNow(3)));
      const [a, b] = [us.session(), us.session()];
      await a.begin();
      await a.run(`delete from t where id = ${key}`);
      await b.begin();
      const insert = outcomeOf(b.run(`insert into t values (${key}, 'again')`));
      await lockWaiters(us.sql);
      await a.commit();
      assert.equal(await insert, 'ok');
      await b.commit();
      assert.equal(await keyState(us.sql, key), 'row over tombstone');
      const again = await versionOf(us.sql, key);
      assert.ok(again.aheadMs > 120_000, `stamped ${again.aheadMs} ms ahead`);
      assert.deepEqual(Object.keys(again.vector), ['eu', 'us']);
    });

    for (const isolation of ['repeatable read', 'serializable'] as const)
      test(`an insert under ${isolation} whose snapshot hides the tombstone fails with 40001`, async () => {
        const key = ++id;
        await us.receive('eu', row(key, minutesFromNow(3)));
        const [a, b] = [us.session(), us.session()];
        await b.begin(isolation);
        await b.run('select from t limit 1');
        await a.run(`delete from t where id = ${key}`);
        assert.equal(await outcomeOf(b.run(`insert into t values (${key}, 'again')`)), '40001');
        await b.rollback();
        assert.equal(await keyState(us.sql, key), 'tombstone');
      });

    for (const isolation of ['repeatable read', 'serializable'] as const)
      test(`an insert under ${isolation} that sees the tombstone is stamped above it and leaves no blank one`, async () => {
        const [buried, fresh] = [++id, ++id];
        await us.receive('eu', tombstone(buried, minutesFromNow(3)));
        const a = us.session();
        await a.begin(isolation);
        await a.run(`insert into t values (${buried}, 'again'), (${fresh}, 'first')`);
        await a.commit();
        assert.equal(await keyState(us.sql, buried), 'row over tombstone');
        assert.equal(await keyState(us.sql, fresh), 'row');
      });

    test('a tombstone that was applied while an insert of its key was open buries the row when it settles', async () => {
      const key = ++id;
      const a = us.session();
      await a.begin();
      await a.run(`insert into t values (${key}, 'new')`);
      await us.receive('eu', tombstone(key, minutesFromNow(0) + 200_000));
      await a.commit();
      assert.equal(await keyState(us.sql, key), 'row under tombstone');
      assert.equal((await us.settle()).buried, 1);
      assert.equal(await keyState(us.sql, key), 'tombstone');
      const [conflict] =
        await us.sql`select kind, loser_region, loser_image from concord.conflict where key = ${[`${key}`]}::jsonb`;
      assert.deepEqual(conflict, {
        kind: 'delete_origin_differs',
        loser_region: 'us',
        loser_image: { id: `${key}`, v: 'new' },
      });
    });

    for (const isolation of ['repeatable read', 'serializable'] as const)
      test(`the same under ${isolation}: apply waits for the insert, then settling buries the row`, async () => {
        const key = ++id;
        const a = us.session();
        await a.begin(isolation);
        await a.run(`insert into t values (${key}, 'new')`);
        const applied = outcomeOf(us.receive('eu', tombstone(key, minutesFromNow(0) + 200_000)));
        await lockWaiters(us.sql);
        await a.commit();
        assert.equal(await applied, 'ok');
        await us.settle();
        assert.equal(await keyState(us.sql, key), 'tombstone');
      });

    test('an older tombstone that was applied while an insert was open leaves the row alone', async () => {
      const key = ++id;
      const a = us.session();
      await a.begin();
      await a.run(`insert into t values (${key}, 'new')`);
      await us.receive('eu', tombstone(key, minutesFromNow(-1)));
      await a.commit();
      await us.settle();
      assert.equal(await keyState(us.sql, key), 'row over tombstone');
    });

    test('a snapshot older than a tombstone that has settled still cannot insert its key', async () => {
      const key = ++id;
      const a = us.session();
      await a.begin('repeatable read');
      await a.run('select from t limit 1');
      await us.receive('eu', tombstone(key, minutesFromNow(0)));
      while (await isUnsettled(key)) await us.settle();
      assert.equal(await outcomeOf(a.run(`insert into t values (${key}, 'late')`)), '40001');
      await a.rollback();
      assert.equal(await keyState(us.sql, key), 'tombstone');
    });

    test('an entry stays unsettled while an insert is open that began before the fence, and its row is buried then', async () => {
      const key = ++id;
      const stamp = minutesFromNow(0) + 1_500_000;
      const applier = await applyUpToGate(us, 'eu', [tombstone(key, stamp)], false);
      const late = us.session();
      await late.begin();
      await late.run(`insert into t values (${key}, 'late')`);
      assert.equal(await applier.open(), 'ok');
      await clockPast(us.sql, stamp);
      for (let pass = 0; pass < 3; pass++) await us.settle();
      assert.ok(await isUnsettled(key), 'the entry was given up under an open insert');
      await late.commit();
      assert.equal(await keyState(us.sql, key), 'row under tombstone');
      assert.equal((await us.settle()).buried, 1);
      assert.equal(await keyState(us.sql, key), 'tombstone');
      assert.equal(await isUnsettled(key), false);
    });

    test('a prepared transaction holds the fence as an open one does', async () => {
      const key = ++id;
      const stamp = minutesFromNow(0) + 1_500_000;
      const a = us.session();
      await a.begin();
      await a.run(`insert into t values (${key}, 'prepared'); prepare transaction 'concord_${version}'`);
      await us.receive('eu', tombstone(key, stamp));
      await clockPast(us.sql, stamp);
      for (let pass = 0; pass < 3; pass++) await us.settle();
      assert.ok(await isUnsettled(key));
      await a.run(`commit prepared 'concord_${version}'`);
      assert.equal(await keyState(us.sql, key), 'row under tombstone');
      await us.settle();
      assert.equal(await keyState(us.sql, key), 'tombstone');
      assert.equal(await isUnsettled(key), false);
    });

    test('an idle transaction that inserted stalls neither another insert nor the applied delete of another key', async () => {
      const [open, other, absent] = [++id, ++id, ++id];
      const a = us.session();
      await a.begin();
      await a.run(`insert into t values (${open}, 'idle')`);
      await us.receive('eu', tombstone(absent, minutesFromNow(0)));
      await us.session().run(`set lock_timeout = 1; insert into t values (${other}, 'not stalled')`);
      assert.equal(await keyState(us.sql, other), 'row');
      await a.commit();
    });

    test('a local delete that comes between two applied versions has the last word over what it saw', async () => {
      const key = ++id;
      await us.receive('eu', row(key, minutesFromNow(-2)));
      const applier = await applyUpToGate(us, 'eu', [row(key, minutesFromNow(3), 'newer')]);
      const deleted = outcomeOf(us.session().run(`delete from t where id = ${key}`));
      await lockWaiters(us.sql, 2);
      assert.equal(await applier.open(), 'ok');
      assert.equal(await deleted, 'ok');
      const buried = await versionOf(us.sql, key, 'concord_public.t');
      assert.ok(buried.aheadMs > 120_000, 'the tombstone must be above the version that the delete waited for');
      assert.equal(await keyState(us.sql, key), 'tombstone');
    });

    const WRITES_THAT_WAIT: readonly (readonly [string, (key: number) => string])[] = [
      ['UPDATE', (key) => `update t set v = v || '+local' where id = ${key}`],
      [
        'UPDATE … FROM',
        (key) => `update t set v = t.v || '+local' from (select id from t where id = ${key}) x where t.id = x.id`,
      ],
      [
        'MERGE',
        (key) => `merge into t using (values (${key})) s (i) on t.id = s.i
          when matched then update set v = t.v || '+local' when not matched then insert (id, v) values (s.i, 'new')`,
      ],
      [
        'ON CONFLICT',
        (key) => `insert into t values (${key}, 'new') on conflict (id) do update set v = t.v || '+local'`,
      ],
    ];
    for (const [name, statement] of WRITES_THAT_WAIT)
      test(`${name} that waited for an applied version is stamped above it and has seen it`, async () => {
        const key = ++id;
        await us.session().run(`insert into t values (${key}, 'x')`);
        const applier = await applyUpToGate(us, 'eu', [row(key, minutesFromNow(3))]);
        const written = outcomeOf(us.session().run(statement(key)));
        await lockWaiters(us.sql, 2);
        assert.equal(await applier.open(), 'ok');
        assert.equal(await written, 'ok');
        const [{ v } = {}] = await us.sql`select v from t where id = ${key}`;
        const stored = await versionOf(us.sql, key);
        assert.equal(v, 'remote+local');
        assert.ok(stored.aheadMs > 120_000, `stamped ${stored.aheadMs} ms ahead`);
        assert.deepEqual([stored.region, Object.keys(stored.vector)], ['us', ['eu', 'us']]);
      });

    test('T1 begins, T2 begins, updates and commits, T1 updates: the later writer has the later stamp', async () => {
      const key = ++id;
      const [t1, t2] = [us.session(), us.session()];
      await t1.begin();
      await t1.run(`insert into t values (${key}, 'x'); commit; begin; select now()`);
      await t2.begin();
      await t2.run(`update t set v = 't2' where id = ${key}`);
      await t2.commit();
      const second = await versionOf(us.sql, key);
      await t1.run(`update t set v = 't1' where id = ${key}`);
      await t1.commit();
      const first = await versionOf(us.sql, key);
      assert.ok(first.stamp > second.stamp);
      assert.equal(first.vector.us, first.stamp);
    });

    test('an application that reads, waits and writes back overwrites what came meanwhile, and no conflict tells of it', async () => {
      const key = ++id;
      const app = us.session();
      await app.run(`insert into t values (${key}, '10')`);
      const [read] = await app.run(`select v from t where id = ${key}`);
      const seen = await versionOf(us.sql, key);
      await us.receive(
        'eu',
        foreignRow(T, { id: `${key}` }, { v: '15' }, { region: 'eu', stamp: minutesFromNow(0), seen: seen.vector }),
      );
      await app.run(`update t set v = '${Number(read?.v) + 1}' where id = ${key}`);
      const [{ v } = {}] = await us.sql`select v from t where id = ${key}`;
      assert.equal(v, '11');
      assert.deepEqual(Object.keys((await versionOf(us.sql, key)).vector), ['eu', 'us']);
      assert.deepEqual([...(await us.sql`select from concord.conflict where key = ${[`${key}`]}::jsonb`)], []);
    });

    const deadlocks = (): number =>
      readFileSync(us.database.cluster.logFile, 'utf8').split('ERROR:  deadlock detected').length - 1;

    test('an applier locks rows in the order of their keys, whatever plan the tombstones suggest', async () => {
      const keys = Array.from({ length: 12 }, () => ++id);
      const buried = Array.from({ length: 100 }, () => tombstone(++id, minutesFromNow(-1)));
      await us.receive('eu', ...keys.map((key) => row(key, minutesFromNow(-1))), ...buried);
      await us.sql`analyze concord_public.t`;
      const settings = `alter role concord_apply in database ${us.database.name}`;
      await us.sql.unsafe(`${settings} set enable_nestloop = off; ${settings} set enable_mergejoin = off`);
      const records = keys.map((key) => kafkaRecord('eu', row(key, minutesFromNow(0))));
      const gate = us.session('postgres');
      await gate.begin();
      await gate.run(`select from t where id = ${keys[5]} for update`);
      const applied = outcomeOf(us.anotherApply()(kafkaEvent(records)));
      await lockWaiters(us.sql);
      const free = await us.sql`select id::int from t where id >= ${keys[0] ?? 0} order by id for update skip locked`;
      await gate.commit();
      assert.equal(await applied, 'ok');
      await us.sql.unsafe(`${settings} reset enable_nestloop; ${settings} reset enable_mergejoin`);
      assert.deepEqual(
        free.map((found) => found.id),
        keys.slice(6),
      );
    });

    /** Three rows that exist; batches write them in this order. */
    async function threeRows(): Promise<[number, number, number]> {
      const keys: [number, number, number] = [++id, ++id, ++id];
      await us.receive('eu', ...keys.map((key) => row(key, minutesFromNow(-1))));
      return keys;
    }

    test('an applier that loses a deadlock against the application begins anew, and both get through', async () => {
      const [first, second, third] = await threeRows();
      const before = deadlocks();
      const [gate, local] = [us.session('postgres'), us.session('postgres')];
      await gate.begin();
      await gate.run(`select from t where id = ${second} for update`);
      await local.run(`set deadlock_timeout = '10min'`);
      await local.begin();
      await local.run(`update t set v = 'local' where id = ${third}`);
      const now = minutesFromNow(0);
      const applied = outcomeOf(us.receive('eu', row(first, now), row(second, now), row(third, now)));
      await lockWaiters(us.sql);
      const written = outcomeOf(local.run(`update t set v = 'local' where id = ${first}`));
      await lockWaiters(us.sql, 2);
      await gate.commit();
      assert.equal(await written, 'ok');
      await local.commit();
      assert.equal(await applied, 'ok');
      // More than one where the applier is back at the first row before the application has woken up.
      assert.ok(deadlocks() > before);
      const [{ v } = {}] = await us.sql`select v from t where id = ${second}`;
      assert.equal(v, 'remote');
    });

    test('an application that loses a deadlock against an applier gets 40P01 and can run its transaction again', async () => {
      const [first, second] = await threeRows();
      const local = us.session('postgres');
      await local.run(`set deadlock_timeout = '10ms'`);
      await us.sql.unsafe(`alter role concord_apply in database ${us.database.name} set deadlock_timeout = '10min'`);
      // A pooler's connections are older than the setting.
      await terminate(us.sql);
      const transaction = `update t set v = 'local' where id = ${second}; update t set v = 'local' where id = ${first}`;
      const [one = '', two = ''] = transaction.split('; ');
      await local.begin();
      await local.run(one);
      const now = minutesFromNow(0);
      const event = kafkaEvent([row(first, now), row(second, now)].map((message) => kafkaRecord('eu', message)));
      const applied = outcomeOf(us.anotherApply()(event));
      await lockWaiters(us.sql);
      assert.equal(await outcomeOf(local.run(two)), '40P01');
      await local.rollback();
      assert.equal(await applied, 'ok');
      await local.run(transaction);
      assert.equal((await versionOf(us.sql, first)).region, 'us');
    });
  });
