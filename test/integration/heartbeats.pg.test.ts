import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { drainedRecord, type KafkaRecord } from '@concord/events';
import { notePeers } from '../../functions/apply/peers.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { micros, readApplied } from '../support/beats.ts';
import { useCluster } from '../support/cluster.ts';
import { heartbeatOf } from '../support/heartbeats.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

closeEnvironments();

const TABLE = 'public.items';
/** µs of the n-th minute of a day long gone. */
const minute = (n: number): number => Date.UTC(2026, 0, 1, 0, n) * 1000;
const at = (n: number): string => `2026-01-01 00:${String(n).padStart(2, '0')}:00+00`;

for (const version of ['15', '18'] as const)
  describe(`what heartbeats say of a partition, PostgreSQL ${version}`, { timeout: 60_000 }, () => {
    const cluster = useCluster(version);
    let here: Region;
    let environment: Environment;
    let partition = 0;
    let id = 0;

    before(async () => {
      here = await createRegion(await cluster(), {
        names: ['here', 'us', 'eu'],
        schema: 'create table items (id bigint primary key, label text not null)',
        tables: [TABLE],
      });
      environment = environmentOf(here);
    });
    beforeEach(() => {
      partition++;
    });

    /** A heartbeat of `us` that closes a minute. */
    const beat = (offset: number, closed: number): KafkaRecord => ({
      ...heartbeatOf('us', {
        beat_at: at(closed),
        resolver: '2',
        source_region: 'us',
        sequence: String(closed),
        closed_at: at(closed),
        seen: '{}',
      }),
      ...{ partition, offset },
    });
    const row = (offset: number, label: string | null = 'x'): KafkaRecord =>
      kafkaRecord(
        'us',
        versionMessage({
          table: TABLE,
          region: 'us',
          stamp: HOUR_AGO + ++id,
          key: { id: String(id) },
          columns: { label },
        }),
        { partition, offset },
      );
    const drained = (...records: KafkaRecord[]): KafkaRecord[] => records.map(drainedRecord);
    /** Effective closed timestamp (minutes), gaps, and what it would be without them. */
    const closed = async (): Promise<readonly [minutes: number, gaps: string, whole: number]> => {
      const [found] = await here.sql.unsafe<{ us: string; gaps: string; whole: string }[]>(
        `select ${micros('a.closed_at')} as us, w.gaps::text, ${micros('w.closed_at')} as whole
         from concord.applied_closed a join concord.watermark w using (topic, partition) where topic = 'cdc.us' and partition = ${partition}`,
      );
      const minutes = (us: string | undefined): number => Math.max(0, (Number(us) - minute(0)) / 60e6);
      return [minutes(found?.us), found?.gaps ?? '', minutes(found?.whole)];
    };

    test('the greatest closed timestamp counts, and a replay does not set it back', async () => {
      await environment.deliver([beat(0, 3), row(1), beat(2, 5), beat(3, 4)]);
      assert.deepEqual(await closed(), [5, '{}', 5]);
      await environment.deliver([beat(0, 3), row(1)]);
      assert.deepEqual(await closed(), [5, '{}', 5]);
    });

    test('each partition has its own', async () => {
      await environment.deliver([beat(0, 3)]);
      const first = partition++;
      await environment.deliver([beat(0, 7)]);
      assert.deepEqual(await closed(), [7, '{}', 7]);
      const second = partition;
      partition = first;
      assert.deepEqual(await closed(), [3, '{}', 3]);
      partition = second;
    });

    test('I9 it commits with the rows that come before the heartbeat, or not at all', async () => {
      await environment.deliver([beat(0, 1)]);
      await here.sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin raise exception using errcode = '57P01'; end $$;
        create trigger refuse before insert on items for each row execute function refuse(); alter table items enable always trigger refuse`);
      await assert.rejects(environment.deliver([row(1), beat(2, 9)]));
      await here.sql.unsafe('drop function refuse cascade');
      assert.deepEqual(await closed(), [1, '{}', 1]);
      await environment.deliver([row(1), beat(2, 9)]);
      assert.deepEqual(await closed(), [9, '{}', 9]);
    });

    test('what tells no time, or a time of another region, closes nothing', async () => {
      const said = (says: Readonly<Record<string, string | null>>): KafkaRecord => ({
        ...heartbeatOf('us', {
          beat_at: at(9),
          source_region: 'us',
          sequence: '9',
          seen: '{}',
          closed_at: at(9),
          ...says,
        }),
        ...{ partition, offset: 0 },
      });
      const ill = [
        { closed_at: 'infinity' },
        { closed_at: '2026-13-41 00:00:00+00' },
        { closed_at: '2026-01-01 00:09:00+01' },
        { closed_at: null },
        { source_region: 'eu' },
        { source_region: `us'` },
        { sequence: '-1' },
        { seen: '{"eu": [1]}' },
        { seen: 'x' },
        { beat_at: 'now' },
      ];
      for (const says of ill) await environment.deliver([said(says)]);
      await environment.deliver([{ ...said({}), value: null }]);
      assert.deepEqual((await closed())[0], 0);
      await environment.deliver([said({ source_region: 'us#2' })]);
      assert.deepEqual((await closed())[0], 9);
      assert.deepEqual(environment.warnings, []);
    });

    test('the first delivery of a partition is no gap, wherever it begins, nor is the same again', async () => {
      await environment.deliver([row(500), beat(501, 2)]);
      await environment.deliver([row(500), beat(501, 2)]);
      await environment.deliver([row(502), beat(503, 3)]);
      assert.deepEqual(await closed(), [3, '{}', 3]);
    });

    test('offsets that were passed over hold it where it was, until they were drained', async () => {
      await environment.deliver([row(0), beat(1, 1)]);
      const given = [row(2), row(3), beat(4, 2)];
      await environment.deliver([row(5), beat(6, 3)]);
      assert.deepEqual(await closed(), [1, '{[2,5)}', 3]);
      await environment.deliver([row(7), beat(8, 4)]);
      assert.deepEqual(await closed(), [1, '{[2,5)}', 4]);
      await environment.deliver(drained(...given.slice(0, 1)));
      assert.deepEqual(await closed(), [1, '{[3,5)}', 4]);
      await environment.deliver(drained(...given.slice(1)));
      assert.deepEqual(await closed(), [4, '{}', 4]);
      await environment.deliver([beat(9, 5)]);
      assert.deepEqual(await closed(), [5, '{}', 5]);
    });

    test('several gaps hold it where it was before the first; each closes by itself', async () => {
      await environment.deliver([beat(0, 1)]);
      await environment.deliver([beat(2, 2)]);
      await environment.deliver([beat(4, 3)]);
      assert.deepEqual(await closed(), [1, '{[1,2),[3,4)}', 3]);
      await environment.deliver(drained(row(3)));
      assert.deepEqual(await closed(), [1, '{[1,2)}', 3]);
      await environment.deliver(drained(row(1)));
      assert.deepEqual(await closed(), [3, '{}', 3]);
    });

    test('a redelivery closes a gap as a drain does', async () => {
      await environment.deliver([beat(0, 1)]);
      await environment.deliver([beat(5, 3)]);
      await environment.deliver([row(1), row(2), row(3), row(4), beat(5, 3)]);
      assert.deepEqual(await closed(), [3, '{}', 3]);
    });

    test('what was drained before its topic went on behind it leaves no gap', async () => {
      await environment.deliver([beat(0, 1)]);
      await environment.deliver(drained(row(2), row(1)));
      assert.deepEqual(await closed(), [1, '{}', 1]);
      await environment.deliver([beat(3, 2)]);
      assert.deepEqual(await closed(), [2, '{}', 2]);
    });

    test('a replay that ends in the middle, and what comes after it, are no gap', async () => {
      await environment.deliver([row(0), row(1), row(2), beat(3, 1)]);
      await environment.deliver([row(0)]);
      await environment.deliver([beat(4, 2)]);
      assert.deepEqual(await closed(), [2, '{}', 2]);
    });

    test('a drain whose transaction fails closes no gap', async () => {
      await environment.deliver([beat(0, 1)]);
      await environment.deliver([beat(2, 2)]);
      await here.sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin raise exception using errcode = '57P01'; end $$;
        create trigger refuse before insert on items for each row execute function refuse(); alter table items enable always trigger refuse`);
      await assert.rejects(environment.deliver(drained(row(1))));
      await here.sql.unsafe('drop function refuse cascade');
      assert.deepEqual(await closed(), [1, '{[1,2)}', 2]);
      await environment.deliver(drained(row(1)));
    });

    test('a drained record that is parked closes its gap; one of nobody closes nothing', async () => {
      await environment.deliver([beat(0, 1)]);
      await environment.deliver([beat(2, 2)]);
      const foreign = { ...row(1), topic: 'concord.drain' };
      await environment.deliver([foreign]);
      assert.deepEqual(await closed(), [1, '{[1,2)}', 2]);
      await environment.deliver(drained(row(1, null)));
      assert.deepEqual(await closed(), [2, '{}', 2]);
    });

    test('by region and partition it is read as 0 where nothing was delivered', async () => {
      await here.sql`delete from concord.watermark`;
      partition = 2;
      await environment.deliver([beat(0, 4)]);
      const applied = await readApplied(here.applySql, here.topology, 'here');
      const none = Array.from({ length: here.topology.topics.partitions }, () => 0);
      assert.deepEqual(applied, { us: none.with(2, minute(4)), eu: none });
    });

    const peer = async (): Promise<Record<string, unknown>> =>
      (
        await here.sql.unsafe(`select source_region, sequence::int, ${micros('closed_at')} as closed, seen, resolver,
          heard_at > now() - interval '1 minute' as heard from concord.peer where region = 'us'`)
      )[0] ?? {};
    const heard = (says: Readonly<Record<string, string>>): Promise<void> =>
      notePeers(here.applySql, [
        heartbeatOf('us', { beat_at: at(1), resolver: '2', closed_at: at(1), seen: '{}', ...says }),
      ]);

    test('of a region the newest incarnation counts, of that the greatest number', async () => {
      await here.sql`delete from concord.peer`;
      await heard({ source_region: 'us', sequence: '7', seen: '{"eu": [3, 4, 5]}' });
      const seventh = {
        source_region: 'us',
        sequence: 7,
        closed: String(minute(1)),
        seen: { eu: [3, 4, 5] },
        resolver: 2,
        heard: true,
      };
      assert.deepEqual(await peer(), seventh);
      await heard({ source_region: 'us', sequence: '6', beat_at: at(2), closed_at: at(2) });
      assert.deepEqual(await peer(), seventh, 'an earlier number says nothing, whatever its clock');
      await heard({ source_region: 'us', sequence: '8', closed_at: at(3) });
      assert.deepEqual([(await peer()).sequence, (await peer()).closed], [8, String(minute(3))]);
      await heard({ source_region: 'us#2', sequence: '5' });
      assert.deepEqual([(await peer()).sequence, (await peer()).source_region], [5, 'us#2']);
      await heard({ source_region: 'us', sequence: '99', beat_at: at(9) });
      assert.deepEqual((await peer()).source_region, 'us#2');
      await heard({ source_region: 'us#10', sequence: '1' });
      assert.deepEqual((await peer()).source_region, 'us#10');
    });

    test('what is heard is announced, with the clocks of both', async () => {
      await here.sql`delete from concord.peer`;
      await heard({ source_region: 'us', sequence: '7' });
      await here.sql`select concord.beat()`;
      const [said] = await here.sql`select distinct seen from concord.heartbeat`;
      const [stored] = await here.sql.unsafe(`select ${micros('heard_at')} as heard from concord.peer`);
      assert.deepEqual(said?.seen, { us: [7, minute(1), Number(stored?.heard)] });
    });
  });
