import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { changeKey, HEARTBEAT_TABLE, internalTopic, type KafkaRecord } from '@concord/events';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { interrupted, terminate } from '../support/interruptions.ts';
import { isPooled } from '../support/pooled.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters, outcomeOf } from '../support/sessions.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = 'create table items (id bigint primary key, label text);';

closeEnvironments();

const made = (id: number, more: Partial<HandMade> = {}): HandMade => ({
  region: 'us-1',
  stamp: HOUR_AGO + id,
  key: { id: String(id) },
  columns: { label: `new ${id}` },
  ...more,
});
const recordOf = (version: HandMade, partition: number, offset: number): KafkaRecord =>
  kafkaRecord(version.region, versionMessage(version), { partition, offset });

for (const version of ['18', '15'] as const)
  describe(`deliveries on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let region: Region;
    let environment: Environment;
    before(async () => {
      const options = { names: ['here-1', 'us-1', 'eu-1'], schema: SCHEMA, tables: ['public.items'] };
      region = await createRegion(await cluster(), { ...options, limits: { lockTimeoutMs: 60_000 } });
      environment = environmentOf(region);
    });

    const labels = async (from: number, to: number) =>
      (await region.sql`select label from items where id between ${from} and ${to} order by id`).map(
        ({ label }) => label,
      );
    const watermarks = async (partition: number) =>
      (
        await region.sql`select topic, next_offset::int as next, received::int, applied::int, superseded::int, parked::int, attempts
        from concord.watermark where partition = ${partition} order by topic`
      ).map((row) => ({ ...row }));

    test('one payload may hold several partitions and topics; each has its own progress', async () => {
      await environment.deliver([
        recordOf(made(1), 10, 7),
        recordOf(made(1), 10, 8),
        recordOf(made(2), 11, 100),
        recordOf(made(3, { region: 'eu-1' }), 10, 5),
        kafkaRecord('eu-1', { key: null, value: 'junk' }, { partition: 10, offset: 6 }),
      ]);
      assert.deepEqual(await watermarks(10), [
        { topic: 'cdc.eu-1', next: 7, received: 2, applied: 1, superseded: 0, parked: 1, attempts: 0 },
        { topic: 'cdc.us-1', next: 9, received: 2, applied: 1, superseded: 1, parked: 0, attempts: 0 },
      ]);
      assert.deepEqual(await watermarks(11), [
        { topic: 'cdc.us-1', next: 101, received: 1, applied: 1, superseded: 0, parked: 0, attempts: 0 },
      ]);
    });

    test('a heartbeat moves the watermark and is nothing received', async () => {
      const beat = (offset: number): KafkaRecord =>
        kafkaRecord(
          'us-1',
          { key: changeKey({ id: '4' }, HEARTBEAT_TABLE), value: '{"id":"4","partition":"12"}' },
          { partition: 12, offset },
        );
      await environment.deliver([beat(3), recordOf(made(12), 12, 4), beat(5)]);
      await environment.deliver([beat(6)]);
      assert.deepEqual(await watermarks(12), [
        { topic: 'cdc.us-1', next: 7, received: 1, applied: 1, superseded: 0, parked: 0, attempts: 0 },
      ]);
      assert.deepEqual(await labels(12, 12), ['new 12']);
    });

    test('a topic of Concord itself carries versions of any region and has no watermark', async () => {
      const topic = internalTopic('redrive');
      const records = [made(21), made(22, { region: 'eu-1' }), made(23, { kind: 'tombstone' })].map(
        (version, offset) => ({
          ...recordOf(version, 0, offset),
          topic,
        }),
      );
      const topics = async () =>
        (await region.sql`select distinct topic from concord.watermark order by 1`).map((row) => row.topic);
      const before = await topics();
      await environment.deliver([
        ...records,
        { ...kafkaRecord('us-1', { key: null, value: 'junk' }, { partition: 0, offset: 9 }), topic },
      ]);
      assert.deepEqual(await labels(21, 29), ['new 21', 'new 22']);
      assert.deepEqual(await topics(), before);
      const [parked] = await region.sql`select reason, "offset"::int, value from concord.parked where topic = ${topic}`;
      assert.deepEqual([parked?.reason, parked?.offset, String(parked?.value)], ['not_json', 9, 'junk']);
    });

    test('a payload that is not one of Lambda is refused; an empty one is done', async () => {
      await assert.rejects(environment.apply({ records: [] }), TypeError);
      await assert.rejects(environment.apply(undefined), TypeError);
      assert.deepEqual(await environment.apply({ eventSource: 'aws:kafka', records: {} }), { batchItemFailures: [] });
      assert.deepEqual(await environment.apply({ eventSource: 'aws:kafka', records: { 'cdc.us-1-0': [] } }), {
        batchItemFailures: [],
      });
    });

    /** A batch that waits, after its claim, until it is let go. */
    async function pausedBatch(records: readonly KafkaRecord[]) {
      let go = (): void => undefined;
      let isHere = (): void => undefined;
      const here = new Promise<void>((resolve) => {
        isHere = resolve;
      });
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      const paused = environmentOf(region, {
        wrap: interrupted(async (text) => {
          if (!text.includes('update concord.watermark')) return;
          isHere();
          await gate;
        }),
      });
      const delivery = paused.deliver(records);
      await Promise.race([here, delivery]);
      return { delivery, go };
    }

    test('two pollers of one partition take turns', async () => {
      const first = await pausedBatch([recordOf(made(31), 30, 0), recordOf(made(32), 30, 1)]);
      let done = false;
      const second = environment.deliver([recordOf(made(32), 30, 1), recordOf(made(33), 30, 2)]).then(() => {
        done = true;
      });
      await lockWaiters(region.sql);
      assert.deepEqual([done, await labels(31, 33)], [false, []]);
      first.go();
      await Promise.all([first.delivery, second]);
      assert.deepEqual(await labels(31, 33), ['new 31', 'new 32', 'new 33']);
      assert.deepEqual(await watermarks(30), [
        { topic: 'cdc.us-1', next: 3, received: 4, applied: 3, superseded: 1, parked: 0, attempts: 0 },
      ]);
    });

    test('pollers of different partitions do not wait for each other', async () => {
      const first = await pausedBatch([recordOf(made(41), 40, 0)]);
      await environment.deliver([recordOf(made(42), 41, 0), recordOf(made(43, { region: 'eu-1' }), 40, 0)]);
      assert.deepEqual(await labels(41, 43), ['new 42', 'new 43']);
      first.go();
      await first.delivery;
      assert.deepEqual(await labels(41, 43), ['new 41', 'new 42', 'new 43']);
    });

    test('alone, a record whose connection is lost stops its own partition only, in the object form, and is not taken for a killer', async () => {
      const records = [51, 52, 53].map((id, index) => recordOf(made(id), 50, 500 + index));
      const others = [55, 56].map((id, index) => recordOf(made(id), 51, 0 + index));
      await region.sql`insert into concord.watermark (topic, partition, attempt_offset, attempts)
        values ('cdc.us-1', 50, 500, 3), ('cdc.us-1', 51, 0, 3)`;
      let losses = 1;
      const failing = environmentOf(region, {
        wrap: interrupted(async (_, parameters) => {
          if (!parameters.some((text) => String(text).includes('new 52')) || losses-- <= 0) return;
          await terminate(region.sql);
        }),
      });
      assert.deepEqual(await failing.apply(kafkaEvent([...records, ...others])), {
        batchItemFailures: [{ itemIdentifier: { partition: 'cdc.us-1-50', offset: 501 } }],
      });
      assert.deepEqual(await labels(51, 59), ['new 51', 'new 55', 'new 56']);
      assert.deepEqual(await failing.apply(kafkaEvent(records.slice(1))), { batchItemFailures: [] });
      assert.deepEqual(await labels(51, 59), ['new 51', 'new 52', 'new 53', 'new 55', 'new 56']);
      assert.deepEqual(await watermarks(50), [
        { topic: 'cdc.us-1', next: 503, received: 3, applied: 3, superseded: 0, parked: 0, attempts: 0 },
      ]);
    });

    test('while the database is away batches fail and nothing is parked; delivered again they are applied', async () => {
      const records = [61, 62].map((id, index) => recordOf(made(id), 60, index));
      const server = region.database.cluster;
      await server.stop();
      for (let delivery = 0; delivery < 5; delivery++) await assert.rejects(environment.deliver(records));
      await server.restart();
      // A pooler notices some attempts later that the server is back.
      while (isPooled && (await outcomeOf(environment.sql`select 1`.execute())) !== 'ok');
      await environment.deliver(records);
      assert.deepEqual(await labels(61, 62), ['new 61', 'new 62']);
      assert.deepEqual(await watermarks(60), [
        { topic: 'cdc.us-1', next: 2, received: 2, applied: 2, superseded: 0, parked: 0, attempts: 0 },
      ]);
      const [row] = await region.sql`select count(*)::int as count from concord.parked where partition = 60`;
      assert.equal(row?.count, 0);
    });
  });
