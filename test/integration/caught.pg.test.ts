import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, foreignTombstone, minutesFromNow, type Written } from '../support/foreign.ts';
import { keyState, versionOf } from '../support/key-state.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters, outcomeOf, type Session } from '../support/sessions.ts';

const T = 'public.t';
const row = (id: number, written: Written, v = 'remote') => foreignRow(T, { id: `${id}` }, { v }, written);
const tombstone = (id: number, written: Written) => foreignTombstone(T, { id: `${id}` }, written);
const eu = (minutes: number): Written => ({ region: 'eu', stamp: minutesFromNow(minutes) });

/** What the mutation list showed that no other test would notice. */
for (const version of ['15', '18'] as const)
  describe(`what nothing else would notice, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu', 'ap'],
        schema: 'create table t (id bigint primary key, v text)',
        tables: [T],
      });
      app = us.session();
    });

    /** A row under a newer tombstone that it did not see, before anybody has settled it. */
    async function rowBeneath(key: number, tombstoneVersion: Written): Promise<void> {
      const late = us.session();
      await late.begin();
      await late.run(`insert into t values (${key}, 'late')`);
      await us.receiveOnly('eu', tombstone(key, tombstoneVersion));
      await late.commit();
      assert.equal(await keyState(us.sql, key), 'row under tombstone');
    }

    const loserRegions = async (key: number): Promise<string[]> => {
      const rows = await us.sql<{ region: string }[]>`
        select loser_region as region from concord.conflict where key = ${[`${key}`]}::jsonb order by loser_stamp`;
      return rows.map(({ region }) => region);
    };

    test('a delete over an older tombstone leaves nothing of it', async () => {
      const key = ++id;
      await us.receive('eu', tombstone(key, eu(-1)));
      await app.run(`insert into t values (${key}, 'here')`);
      await app.run(`delete from t where id = ${key}`);
      const buried = await versionOf(us.sql, key, 'concord_public.t');
      assert.deepEqual([buried.region, buried.local, buried.writes], ['us', true, 4]);
      assert.deepEqual(buried.vector.us, buried.stamp);
      const [{ image } = {}] = await us.sql`select image from concord_public.t where id = ${key}`;
      assert.equal(image.v, 'here');
    });

    test('a delete of a row beneath a newer tombstone is stamped above both and has seen both', async () => {
      const key = ++id;
      const above = eu(3);
      await rowBeneath(key, above);
      await app.run(`delete from t where id = ${key}`);
      const buried = await versionOf(us.sql, key, 'concord_public.t');
      assert.equal(await keyState(us.sql, key), 'tombstone');
      assert.ok(buried.stamp > above.stamp);
      assert.deepEqual([buried.region, buried.vector], ['us', { eu: above.stamp, us: buried.stamp }]);
      await us.settle();
    });

    test('a tombstone that was committed while a batch waited to insert its row buries the row in that batch', async () => {
      const [updated, held, key] = [++id, ++id, ++id];
      await us.receive('eu', row(updated, eu(-3)));
      const app2 = us.session();
      await app2.begin();
      await app2.run(`insert into t values (${held}, 'held')`);
      const other = us.anotherApply();
      const batch = outcomeOf(us.receiveOnly('eu', row(updated, eu(-2)), row(held, eu(-2)), row(key, eu(-2))));
      await lockWaiters(us.sql);
      await other(kafkaEvent([kafkaRecord('ap', tombstone(key, { region: 'ap', stamp: minutesFromNow(-1) }))]));
      await app2.rollback();
      assert.equal(await batch, 'ok');
      assert.equal(await keyState(us.sql, key), 'tombstone');
      const [tally] =
        await us.sql`select applied::int, superseded::int from concord.watermark where topic = 'cdc.eu' and partition = 0
        and next_offset = (select max(next_offset) from concord.watermark where topic = 'cdc.eu')`;
      assert.ok(tally && tally.superseded > 0);
      assert.deepEqual(await loserRegions(key), ['eu']);
    });

    /** Are the ids of a key's conflicts those of their losers, as every region would make them? */
    const idsOfLosers = async (key: number): Promise<boolean[]> => {
      const rows = await us.sql<{ same: boolean }[]>`
        select id = concord.conflict_id(${T}, key, loser_stamp, loser_region) as same from concord.conflict
        where key = ${[`${key}`]}::jsonb`;
      return rows.map(({ same }) => same);
    };

    test('a conflict has the id of its loser, whoever won', async () => {
      const key = ++id;
      await us.receive('eu', row(key, eu(-2)));
      await us.receive('ap', row(key, { region: 'ap', stamp: minutesFromNow(-1) }));
      await us.receive('eu', row(key, eu(-3)));
      assert.deepEqual(await idsOfLosers(key), [true, true]);
    });

    test('a conflict that settling logs has the id of its loser', async () => {
      const key = ++id;
      await rowBeneath(key, eu(3));
      await us.settle();
      assert.deepEqual(await idsOfLosers(key), [true]);
    });

    test('a row beneath a newer tombstone that an applied row overwrites is in the log', async () => {
      const key = ++id;
      const above = eu(2);
      await rowBeneath(key, above);
      await us.receiveOnly('eu', row(key, { region: 'eu', stamp: above.stamp + 1, seen: { eu: above.stamp } }));
      assert.equal(await keyState(us.sql, key), 'row over tombstone');
      assert.deepEqual(await loserRegions(key), ['us']);
    });

    test('a row beneath a newer tombstone that a still newer tombstone buries is in the log', async () => {
      const key = ++id;
      const above = eu(2);
      await rowBeneath(key, above);
      await us.receiveOnly('eu', tombstone(key, { region: 'eu', stamp: above.stamp + 1, seen: { eu: above.stamp } }));
      assert.deepEqual(await loserRegions(key), ['us']);
    });

    test('a batch that fails has not moved the watermark', async () => {
      const key = ++id;
      const records = [
        kafkaRecord('ap', row(key, { region: 'ap', stamp: minutesFromNow(-1) }), { partition: 8, offset: 41 }),
      ];
      const next = async (): Promise<number | undefined> =>
        (
          await us.sql`select next_offset::int as next from concord.watermark where topic = 'cdc.ap' and partition = 8`
        )[0]?.next;
      await us.sql`revoke insert on t from concord_apply`;
      await assert.rejects(us.apply(kafkaEvent(records)));
      assert.equal(await next(), 0);
      await us.sql`grant insert on t to concord_apply`;
      await us.apply(kafkaEvent(records));
      assert.equal(await next(), 42);
    });

    test('a record below the watermark is applied all the same', async () => {
      const [first, second] = [++id, ++id];
      const at = (offset: number, key: number) =>
        kafkaRecord('ap', row(key, { region: 'ap', stamp: minutesFromNow(-1) }), { partition: 7, offset });
      await us.apply(kafkaEvent([at(100, first)]));
      await us.apply(kafkaEvent([at(50, second)]));
      assert.deepEqual([await keyState(us.sql, first), await keyState(us.sql, second)], ['row', 'row']);
    });

    test('a replayed duplicate writes nothing, not even the same', async () => {
      const key = ++id;
      const message = row(key, eu(-1));
      const physical = async (): Promise<unknown> =>
        (await us.sql`select ctid::text, xmin::text from t where id = ${key}`)[0];
      await us.receive('eu', message);
      const before = await physical();
      await us.receive('eu', message);
      assert.deepEqual(await physical(), before);
    });

    test('a replayed row of a deleted key is not even inserted', async () => {
      const key = ++id;
      const message = row(key, eu(-2));
      await us.receive('eu', message);
      await us.receive('eu', tombstone(key, eu(-1)));
      const inserts = async (): Promise<number> => {
        await us.applySql`select pg_stat_force_next_flush()`;
        const [stats] = await us.sql<{ inserts: number }[]>`
          select pg_stat_get_tuples_inserted(${T}::regclass)::int as inserts`;
        return stats?.inserts ?? 0;
      };
      const before = await inserts();
      await us.receive('eu', message);
      assert.equal(await inserts(), before);
      assert.equal(await keyState(us.sql, key), 'tombstone');
    });
  });
