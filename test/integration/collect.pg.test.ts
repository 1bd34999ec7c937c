import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { repairEvent } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { collect } from '../../functions/digest/collect.ts';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, foreignTombstone, minutesFromNow } from '../support/foreign.ts';
import { keyState } from '../support/key-state.ts';
import type { Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters, outcomeOf } from '../support/sessions.ts';

const T = 'public.t';
const MERGED = 'public.merged';
const MAIL = 'public.mail';
const HOUR_AGO = minutesFromNow(-60);
const LIMIT = 100_000;

for (const version of ['15', '18'] as const)
  describe(`collection of tombstones, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let operator: Sql;
    let id = 0;
    /** The next horizon: each test has stamps of its own, above the horizons of those before. */
    let horizonUs = HOUR_AGO;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu', 'ap'],
        schema: `
          create table t (id bigint primary key, v text check (v <> 'refused'));
          create table merged (id bigint primary key, name text, stock numeric not null default 0);
          create table mail (id bigint primary key, email text unique)`,
        tables: [T, { name: MERGED, policy: 'merge', counters: ['stock'] }, MAIL],
        limits: { lockTimeoutMs: 60_000 },
      });
      operator = us.database.connect({ user: 'concord_operator' });
    });

    const row = (key: number, stamp: number, v = 'remote', seen = {}): Message =>
      foreignRow(T, { id: `${key}` }, { v }, { region: 'eu', stamp, seen });
    const tombstone = (key: number, stamp: number): Message =>
      foreignTombstone(T, { id: `${key}` }, { region: 'eu', stamp });
    const raise = (minutes = 1): number => (horizonUs += minutes * 60_000_000);
    const collectAt = (stamp: number, limit = LIMIT, table = T) =>
      collect(operator, { table, horizonUs: stamp, limit });
    const settled = async (): Promise<void> => {
      while ((await us.sql`select from concord.unsettled`).length > 0) await us.settle();
    };
    const dead = async (stamp: number): Promise<number> => {
      const key = ++id;
      await us.receive('eu', tombstone(key, stamp));
      await settled();
      return key;
    };
    const parkedOf = async (key: number): Promise<string[]> => {
      const rows = await us.sql<{ reason: string }[]>`
        select reason from concord.parked where convert_from(key, 'UTF8')::jsonb ->> 'id' = ${`${key}`} order by id`;
      return rows.map(({ reason }) => reason);
    };
    const horizonOf = async (): Promise<number> => {
      const [found] = await us.sql<{ us: string }[]>`
        select (extract(epoch from greatest(horizon, 'epoch')) * 1000000)::int8::text as us from concord.enrolled_table where table_name = ${T}`;
      return Number(found?.us);
    };

    describe('the collector', () => {
      test('raises the horizon and deletes what is below it, nothing else; it never goes back', async () => {
        const below = raise();
        const [old, young] = [await dead(below - 1), await dead(below)];
        assert.deepEqual(await collectAt(below), { horizonUs: below, collected: 1, left: false });
        assert.deepEqual([await keyState(us.sql, old), await keyState(us.sql, young)], ['nothing', 'tombstone']);
        assert.deepEqual(await collectAt(below - 1000), { horizonUs: below, collected: 0, left: false });
        assert.equal(await horizonOf(), below);
      });

      test('whoever misses a tombstone finds the horizon', async () => {
        const below = raise();
        await dead(below - 1);
        await us.sql.unsafe(`
          create function below_only() returns trigger language plpgsql as $$ begin
            if old._last_updated >= (select horizon from concord.enrolled_table where table_name = '${T}') then raise exception 'too early'; end if;
            return null;
          end $$;
          create trigger below_only after delete on concord_public.t for each row execute function below_only()`);
        const answer = await outcomeOf(collectAt(below));
        await us.sql.unsafe('drop trigger below_only on concord_public.t; drop function below_only()');
        assert.equal(answer, 'ok');
      });

      test('deletes at most so many, and goes on where it stopped', async () => {
        const below = raise();
        const keys: number[] = [];
        for (let count = 0; count < 5; count++) keys.push(await dead(below - 10 + count));
        const first = await collectAt(below, 2);
        assert.deepEqual(first, { horizonUs: below, collected: 2, left: true });
        let collected = 2;
        for (let next = first; next.left; collected += next.collected) next = await collectAt(below, 2);
        assert.ok(collected >= 5);
        for (const key of keys) assert.equal(await keyState(us.sql, key), 'nothing');
      });

      test('reads a large table in pieces, each block once', async () => {
        const below = raise();
        await us.sql.unsafe(`insert into concord_public.t (id, image, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
          select 1000000 + n, json_build_object('id', n, 'v', repeat('x', 400)), 1, timestamptz 'epoch' + ${below} * interval '1 microsecond'
            - case when n % 2 = 0 then interval '1 s' else interval '0' end, 'eu', 1, '{"eu": 1}', false from generate_series(1, 8000) n`);
        assert.deepEqual(await collectAt(below), { horizonUs: below, collected: 4000, left: false });
        await us.sql`delete from concord_public.t where id > 1000000`;
      });

      test('keeps a tombstone whose key is unsettled, or has a parked record, or that somebody holds', async () => {
        const below = raise();
        const open = us.session();
        await open.begin();
        await open.run(`insert into t values (${++id}, 'open')`);
        const unsettled = ++id;
        await us.receive('eu', tombstone(unsettled, below - 5));
        const [parked, held, free] = [
          await deadUnsettled(below - 4),
          await deadUnsettled(below - 3),
          await deadUnsettled(below - 2),
        ];
        await us.sql`delete from concord.unsettled where key <> ${`{${unsettled}}`}::text[]`;
        await us.receive('eu', row(parked, below + 5, 'refused'));
        assert.deepEqual(await parkedOf(parked), ['refused']);
        const holder = us.session('postgres');
        await holder.begin();
        await holder.run(`select from concord_public.t where id = ${held} for update`);
        assert.equal((await collectAt(below)).collected, 1);
        const states = async (): Promise<string[]> =>
          Promise.all([unsettled, parked, held, free].map((key) => keyState(us.sql, key)));
        assert.deepEqual(await states(), ['tombstone', 'tombstone', 'tombstone', 'nothing']);
        await holder.commit();
        await open.commit();
        await us.sql`delete from concord.parked`;
        await settled();
        await collectAt(raise());
        assert.deepEqual(await states(), ['nothing', 'nothing', 'nothing', 'nothing']);
      });

      const deadUnsettled = async (stamp: number): Promise<number> => {
        const key = ++id;
        await us.receive('eu', tombstone(key, stamp));
        return key;
      };

      for (const rollout of ['off', 'shadow'] as const)
        test(`does nothing where the table is ${rollout}`, async () => {
          const former = await horizonOf();
          const key = await dead(raise() - 1);
          await us.sql`update concord.enrolled_table set rollout = ${rollout} where table_name = ${T}`;
          const answer = await collectAt(horizonUs);
          await us.sql`update concord.enrolled_table set rollout = 'live' where table_name = ${T}`;
          assert.deepEqual(answer, { horizonUs: former, collected: 0, left: false });
          assert.equal(await keyState(us.sql, key), 'tombstone');
        });

      test('of a lattice table goes by the last write that is in a tombstone', async () => {
        const below = raise();
        const made = (key: number, seen: Record<string, number>): Message =>
          foreignTombstone(MERGED, { id: `${key}` }, { region: 'eu', stamp: below - 10, seen });
        const [old, young] = [++id, ++id];
        await us.receive('eu', ...[made(old, { ap: below - 20 }), made(young, { ap: below + 20 })].map(lattice));
        assert.deepEqual(await parkedOf(young), []);
        await settled();
        assert.equal((await collectAt(below, LIMIT, MERGED)).collected, 1);
        const left = await us.sql<{ id: string }[]>`select id::text from concord_public.merged`;
        assert.deepEqual(
          left.map((found) => found.id),
          [`${young}`],
        );
      });

      test('publishes nothing and is captured by nobody', async () => {
        const [publication] = await us.sql`select pubdelete, pubtruncate from pg_publication where pubname = 'concord'`;
        assert.deepEqual(publication, { pubdelete: false, pubtruncate: false });
        const triggers =
          await us.sql`select from pg_trigger where tgrelid = 'concord_public.t'::regclass and not tgisinternal`;
        assert.equal(triggers.length, 0);
      });
    });

    describe('apply, below the horizon', () => {
      test('parks a row whose key is unknown, and supersedes a tombstone', async () => {
        const below = raise();
        await collectAt(below);
        const [lost, gone, fresh] = [++id, ++id, ++id];
        await us.receive('eu', row(lost, below - 1), tombstone(gone, below - 1), row(fresh, below));
        const states = await Promise.all([lost, gone, fresh].map((key) => keyState(us.sql, key)));
        assert.deepEqual(states, ['nothing', 'nothing', 'row']);
        assert.deepEqual([await parkedOf(lost), await parkedOf(gone)], [['below_horizon'], []]);
        const [counts] =
          await us.sql`select retry_at from concord.parked where reason = 'below_horizon' order by id desc limit 1`;
        assert.equal(counts?.retry_at, null);
      });

      test('joins what meets a row, a tombstone or a held row', async () => {
        const below = raise();
        const [stands, buried, again, older] = [++id, ++id, ++id, ++id];
        await us.receive('eu', row(stands, below - 100), tombstone(buried, below - 50), tombstone(again, below - 100));
        await us.receive('eu', row(older, below - 10));
        await us.sql`update concord.enrolled_table set horizon = timestamptz 'epoch' + ${below}::int8 * interval '1 microsecond' where table_name = ${T}`;
        const late = [
          row(stands, below - 50, 'newer'),
          row(buried, below - 80),
          row(again, below - 50),
          row(older, below - 20),
        ];
        await us.receive('eu', ...late);
        const states = await Promise.all([stands, buried, again, older].map((key) => keyState(us.sql, key)));
        assert.deepEqual(states, ['row', 'tombstone', 'row over tombstone', 'row']);
        const [found] = await us.sql`select v from t where id = ${stands}`;
        assert.equal(found?.v, 'newer');
        for (const key of [stands, buried, again, older]) assert.deepEqual(await parkedOf(key), []);
      });

      test('a held row is something', async () => {
        const below = raise();
        const mail = (key: number, stamp: number): Message =>
          foreignRow(MAIL, { id: `${key}` }, { email: 'a@x' }, { region: 'eu', stamp });
        const [first, second, third] = [++id, ++id, ++id];
        await us.receive('eu', mail(first, below - 100), mail(second, below - 90));
        await collectAt(below, LIMIT, MAIL);
        await us.receive('eu', mail(second, below - 80), mail(third, below - 70));
        const held = await us.sql<{ key: string[]; stamp: string }[]>`
          select key, (extract(epoch from stamp) * 1000000)::int8::text as stamp from concord.limbo`;
        assert.deepEqual([...held], [{ key: [`${second}`], stamp: `${below - 80}` }]);
        assert.deepEqual([await parkedOf(second), await parkedOf(third)], [[], ['below_horizon']]);
      });

      test('of all versions of a row in one batch the last decides: dead is dead', async () => {
        const below = raise();
        await collectAt(below);
        const [gone, lost] = [++id, ++id];
        await us.receive(
          'eu',
          row(gone, below - 9),
          tombstone(gone, below - 8),
          row(lost, below - 9),
          row(lost, below - 8, 'b', { eu: below - 9 }),
        );
        assert.deepEqual([await parkedOf(gone), await parkedOf(lost)], [[], ['below_horizon']]);
        const [counts] =
          await us.sql`select received = applied + superseded + held + parked as sums from concord.watermark where topic = 'cdc.eu'`;
        assert.equal(counts?.sums, true);
      });

      test('of a lattice table parks all that were joined, by the last write that is in them', async () => {
        const below = raise();
        await collectAt(below, LIMIT, MERGED);
        const made = (key: number, stamp: number, seen: Record<string, number>): Message =>
          lattice(foreignRow(MERGED, { id: `${key}` }, { name: 'n', stock: '0' }, { region: 'eu', stamp, seen }));
        const [young, lost] = [++id, ++id];
        await us.receive(
          'eu',
          made(young, below - 5, { ap: below }),
          made(lost, below - 9, {}),
          made(lost, below - 8, { eu: below - 9 }),
        );
        assert.equal(await keyState(us.sql, young, MERGED), 'row');
        assert.equal(await keyState(us.sql, lost, MERGED), 'nothing');
        assert.equal((await parkedOf(lost)).length, 2);
      });

      test('a redriven record obeys, what repair brings passes', async () => {
        const below = raise();
        await collectAt(below);
        const key = ++id;
        const message = row(key, below - 1);
        await us.receive('eu', message);
        await us.sql`update concord.parked set retry_at = now() where reason = 'below_horizon'`;
        await us.afterBatch();
        assert.equal(await keyState(us.sql, key), 'nothing');
        const [parked] = await us.sql`select attempts, reason from concord.parked order by id desc limit 1`;
        assert.deepEqual(parked, { attempts: 1, reason: 'below_horizon' });
        const { __op, __s, __t, _local, ...event } = JSON.parse(message.value);
        await us.apply(repairEvent({ run: 'r1', table: T, key: ['id'], versions: [{ place: 'row', event }] }));
        assert.equal(await keyState(us.sql, key), 'row');
      });

      test('where rows are refused one by one, what somebody holds is not waited for', async () => {
        const below = raise();
        const [held, lost, bad] = [++id, ++id, ++id];
        await us.receive('eu', row(held, below - 100));
        await collectAt(below);
        await us.sql`update concord.enrolled_table set horizon = timestamptz 'epoch' + ${below}::int8 * interval '1 microsecond' where table_name = ${T}`;
        await us.receive('eu', row(bad, below + 1, 'refused'), row(lost, below - 1));
        assert.deepEqual([await parkedOf(bad), await parkedOf(lost)], [['refused'], ['below_horizon']]);
        const holder = us.session();
        await holder.begin();
        await holder.run(`select from t where id = ${held} for update`);
        await us.sql`update concord.parked set retry_at = now() where reason = 'below_horizon'`;
        await us.applySql`insert into concord.parked (topic, partition, "offset", table_name, reason, error, key, value, retry_at, via)
          select 'cdc.eu', 0, 990000 + ${held}, ${T}, 'unique', '', ${Buffer.from(row(held, below - 50).key)}, ${Buffer.from(row(held, below - 50, 'late').value)}, now(), null`;
        await us.afterBatch();
        assert.deepEqual([await parkedOf(held), await parkedOf(lost)], [['locked'], ['below_horizon']]);
        await holder.commit();
      });
    });

    describe('a record that meets collection', () => {
      /** What the collector does, in a transaction that a test ends. */
      const collecting = async (below: number, ...keys: number[]) => {
        const session = us.session('postgres');
        await session.begin();
        await session.run(
          `update concord.enrolled_table set horizon = timestamptz 'epoch' + ${below} * interval '1 microsecond' where table_name = '${T}'`,
        );
        await session.run(`delete from concord_public.t where id in (${keys.join(', ')})`);
        return session;
      };

      test('after it: the horizon is not the one that the function knew', async () => {
        const below = raise();
        const key = await dead(below - 5);
        assert.equal((await collectAt(below)).collected, 1);
        await us.receive('eu', row(key, below - 10));
        assert.equal(await keyState(us.sql, key), 'nothing');
        assert.deepEqual(await parkedOf(key), ['below_horizon']);
      });

      test('in the middle of it: a batch that waited for the deletion sees the horizon', async () => {
        const below = raise();
        const key = await dead(below - 5);
        const collector = await collecting(below, key);
        const applied = outcomeOf(us.receive('eu', row(key, below - 10)));
        await lockWaiters(us.sql);
        await collector.commit();
        assert.equal(await applied, 'ok');
        assert.equal(await keyState(us.sql, key), 'nothing');
        assert.deepEqual(await parkedOf(key), ['below_horizon']);
      });

      test('in the middle of it, when the horizon was raised before: what stood there is looked for again', async () => {
        const below = raise();
        await collectAt(below);
        const key = await dead(below + 5);
        const higher = raise();
        await us.sql`update concord.enrolled_table set horizon = timestamptz 'epoch' + ${higher}::int8 * interval '1 microsecond' where table_name = ${T}`;
        await us.receive('eu', row(++id, higher + 1));
        const collector = us.session('postgres');
        await collector.begin();
        await collector.run(`delete from concord_public.t where id = ${key}`);
        const applied = outcomeOf(us.receive('eu', row(key, below)));
        await lockWaiters(us.sql);
        await collector.commit();
        assert.equal(await applied, 'ok');
        assert.equal(await keyState(us.sql, key), 'nothing');
        assert.deepEqual(await parkedOf(key), ['below_horizon']);
      });

      test('before it: the tombstone that a record is decided by is not deleted', async () => {
        const below = raise();
        const [key, gate] = [await dead(below - 5), ++id];
        await us.receive('eu', row(gate, below - 20));
        const holder = us.session();
        await holder.begin();
        await holder.run(`select from t where id = ${gate} for update`);
        const applied = outcomeOf(us.receive('eu', tombstone(key, below - 6), row(gate, below - 4)));
        await lockWaiters(us.sql);
        assert.deepEqual(await collectAt(below), { horizonUs: below, collected: 0, left: false });
        await holder.commit();
        assert.equal(await applied, 'ok');
        assert.equal(await keyState(us.sql, key), 'tombstone');
      });

      test('a row goes, and its tombstone, while a statement that had seen it waits at another row', async () => {
        const below = raise();
        const [gate, key] = [++id, ++id];
        await us.receive('eu', row(gate, below - 100), row(key, below - 100));
        const holder = us.session();
        await holder.begin();
        await holder.run(`select from t where id = ${gate} for update`);
        const seen = { eu: below - 100 };
        const applied = outcomeOf(us.receive('eu', row(gate, below - 50, 'b', seen), row(key, below - 50, 'b', seen)));
        await lockWaiters(us.sql);
        await us.sql.begin(async (tx) => {
          await tx`set local session_replication_role = replica`;
          await tx`delete from t where id = ${key}`;
          await tx`update concord.enrolled_table set horizon = timestamptz 'epoch' + ${below}::int8 * interval '1 microsecond' where table_name = ${T}`;
        });
        await holder.commit();
        assert.equal(await applied, 'ok');
        assert.equal(await keyState(us.sql, key), 'nothing');
        assert.deepEqual(await parkedOf(key), ['below_horizon']);
      });
    });
  });

/** What a version of a lattice table carries besides: the life it belongs to, here that of its own region's first write. */
function lattice({ key, value }: Message): Message {
  const event = JSON.parse(value);
  const [[region, stamp] = []] = Object.entries(JSON.parse(event._version_vector)).sort(([a], [b]) => (a < b ? 1 : -1));
  const tags = { _incarnation: JSON.stringify([stamp, region]), _column_stamps: '{}', _counters: '{}' };
  return { key, value: JSON.stringify({ ...event, ...tags }) };
}
