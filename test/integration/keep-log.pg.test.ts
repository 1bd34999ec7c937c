import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { keepConflicts } from '../../functions/apply/keep-log.ts';
import { conflictStatistics } from '../../functions/operate/statistics.ts';
import { useCluster } from '../support/cluster.ts';
import { foreignRow } from '../support/foreign.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters } from '../support/sessions.ts';

const T = 'public.t';
const DAY_US = 86_400_000_000;
const DAY_MS = 86_400_000;

const dayName = (offset: number): string =>
  `conflict_${new Date(Date.now() + offset * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;

for (const version of ['15', '18'] as const)
  describe(`partitions of the conflict log, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu', 'ap'],
        schema: 'create table t (id bigint primary key, v text)',
        tables: [T],
      });
    });

    beforeEach(() => due());

    const due = async (): Promise<void> =>
      void (await us.sql`update concord.upkeep set done_at = now() - interval '61 minutes'`);
    const keep = (conflictDays = 3): Promise<void> => keepConflicts(us.applySql, { conflictDays });
    const partitions = async (): Promise<string[]> => {
      const rows = await us.sql<{ name: string }[]>`
        select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'concord.conflict'::regclass order by 1`;
      return rows.map(({ name }) => name);
    };
    const EXPECTED = [...[-1, 0, 1, 2, 3].map(dayName), 'conflict_other'];

    /** A conflict of two other regions at this time. Returns its key. */
    async function conflict(
      daysAgo: number,
      key = ++id,
      stamp = Date.now() * 1000 - daysAgo * DAY_US,
    ): Promise<number> {
      await us.receive('ap', foreignRow(T, { id: `${key}` }, { v: 'winner' }, { region: 'ap', stamp: stamp + 1 }));
      await us.receive('eu', foreignRow(T, { id: `${key}` }, { v: 'loser' }, { region: 'eu', stamp }));
      return key;
    }

    const placeOf = async (key: number): Promise<string[]> => {
      const rows = await us.sql<{ place: string }[]>`
        select tableoid::regclass::text as place from concord.conflict where key = ${JSON.stringify([`${key}`])}::text::jsonb`;
      return rows.map(({ place }) => place);
    };

    /** Makes the partition of a day as it was made when the day came. */
    const addDay = (offset: number): Promise<unknown> =>
      us.sql.unsafe(`select concord.add_conflict_day(((now() at time zone 'UTC')::date + ${offset})::date)`);

    test('enrolling has made those of the days around today, and they come with the days', async () => {
      assert.deepEqual(await partitions(), EXPECTED);
      await us.sql.unsafe(`drop table concord.${dayName(3)}`);
      await keep();
      assert.deepEqual(await partitions(), EXPECTED);
    });

    test('a conflict is in the partition of its loser’s day, and a replay adds nothing', async () => {
      const [key, stamp] = [++id, Date.now() * 1000];
      for (let round = 0; round < 3; round++) {
        await conflict(0, key, stamp);
        await due();
        await keep();
      }
      const places = await placeOf(key);
      assert.equal(places.length, 1);
      assert.match(String(places[0]), /^concord\.conflict_\d{8}$/);
    });

    test('days older than the limit go, with all but what is open; statistics remember them', async () => {
      for (const day of [-4, -3]) await addDay(day);
      const stamp = Date.now() * 1000 - 4 * DAY_US;
      const [gone, open, kept] = [await conflict(4), await conflict(4, ++id, stamp), await conflict(3)];
      assert.deepEqual(
        [await placeOf(gone), await placeOf(kept)],
        [[`concord.${dayName(-4)}`], [`concord.${dayName(-3)}`]],
      );
      await us.sql`update concord.conflict set state = 'open' where key = ${JSON.stringify([`${open}`])}::text::jsonb`;
      const [before] = await conflictStatistics(us.sql, T);
      await keep(3);
      assert.deepEqual(await partitions(), [dayName(-3), ...EXPECTED]);
      assert.deepEqual(
        [await placeOf(gone), await placeOf(open), await placeOf(kept)],
        [[], ['concord.conflict_other'], [`concord.${dayName(-3)}`]],
      );
      const [after] = await conflictStatistics(us.sql, T);
      assert.deepEqual([after?.total, after?.logged, after?.open], [before?.total, (before?.logged ?? 0) - 1, 1]);
      await conflict(4, open, stamp);
      assert.deepEqual(await placeOf(open), ['concord.conflict_other']);
    });

    test('losers of days without a partition go to conflict_other, and leave it by their age in the log', async () => {
      const [fresh, old] = [await conflict(30), await conflict(30)];
      await us.sql`update concord.conflict set logged_at = now() - interval '10 days' where key = ${JSON.stringify([`${old}`])}::text::jsonb`;
      assert.deepEqual(await placeOf(fresh), ['concord.conflict_other']);
      await keep(3);
      assert.deepEqual([await placeOf(fresh), await placeOf(old)], [['concord.conflict_other'], []]);
    });

    test('sent alerts go after the same time, and reports after 90 days but for the last hundred', async () => {
      await us.sql`insert into concord.alert (conflict_id, conflict, seen_in, next_try_at, sent_at)
        select id, '{}', '{us}', null, sent_at from (values ('old', now() - interval '4 days'), ('young', now() - interval '2 days'), ('unsent', null)) a(id, sent_at)`;
      await us.sql`insert into concord.reconciliation (run, finished_at, verdict, report)
        select 'r' || n, now() - case when n <= 120 then interval '91 days' else interval '1 day' end, 'match', '{}' from generate_series(1, 150) n`;
      await keep(3);
      const alerts = await us.sql<{ id: string }[]>`select conflict_id as id from concord.alert order by 1`;
      assert.deepEqual(
        alerts.map(({ id: alert }) => alert),
        ['unsent', 'young'],
      );
      const [reports] =
        await us.sql`select count(*)::int as reports, count(*) filter (where finished_at > now() - interval '90 days')::int as young from concord.reconciliation`;
      assert.deepEqual(reports, { reports: 100, young: 30 });
      await us.sql`delete from concord.reconciliation`;
      await us.sql`insert into concord.reconciliation (run, verdict, report) select 'r' || n, 'match', '{}' from generate_series(1, 120) n`;
      await due();
      await keep(3);
      assert.equal((await us.sql`select from concord.reconciliation`).length, 120);
    });

    test('lines that came before their partition move into it', async () => {
      await us.sql.unsafe(`drop table concord.${dayName(0)}`);
      const key = await conflict(0);
      const [place] = await placeOf(key);
      await keep();
      assert.deepEqual([place, await placeOf(key)], ['concord.conflict_other', [`concord.${dayName(0)}`]]);
    });

    test('once an hour, whoever asks', async () => {
      await keep();
      await us.sql.unsafe(`drop table concord.${dayName(3)}`);
      await Promise.all([
        keep(),
        keep(),
        keepConflicts(us.database.connect({ user: 'concord_apply' }), { conflictDays: 3 }),
      ]);
      assert.ok(!(await partitions()).includes(dayName(3)));
      await due();
      await keep();
      assert.deepEqual((await partitions()).slice(-6), EXPECTED);
    });

    test('a log in use is left alone: nobody queues for long, and the next hour does it', async () => {
      await addDay(-9);
      await us.sql.unsafe(`drop table concord.${dayName(3)}`);
      const reader = us.session('postgres');
      await reader.begin();
      await reader.run('select count(*) from concord.conflict');
      const kept = keep(3);
      await lockWaiters(us.sql);
      await conflict(0);
      await kept;
      assert.ok((await partitions()).includes(dayName(-9)));
      await reader.rollback();
      await due();
      await keep(3);
      assert.deepEqual(
        (await partitions()).filter((name) => name === dayName(-9) || name === dayName(3)),
        [dayName(3)],
      );
    });

    test('only apply may ask for it, and nobody for a part of it', async () => {
      for (const [user, call] of [
        ['app', `select concord.keep_conflicts(1)`],
        ['concord_operator', `select concord.keep_conflicts(1)`],
        ['concord_apply', `select concord.drop_conflict_day('${dayName(0)}')`],
      ] as const)
        await assert.rejects(us.session(user).run(call), { code: '42501' });
    });
  });
