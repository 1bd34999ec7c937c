import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { bundled, stopLambdas } from '../support/bundled.ts';
import { useCluster } from '../support/cluster.ts';
import { drained } from '../support/drained.ts';
import { kafkaEvent, kafkaRecord, type Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters, sessionOf } from '../support/sessions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = 'create table items (id bigint primary key, label text);';
/** What Lambda takes, base64 and all. */
const PAYLOAD_BYTES = 6 * 1024 * 1024;

stopLambdas();
const cluster = useCluster();

describe('the deployed apply function', () => {
  let region: Region;
  before(async () => {
    const options = { names: ['here-1', 'us-1'], schema: SCHEMA, tables: ['public.items'] };
    region = await createRegion(await cluster(), { ...options, limits: { lockTimeoutMs: 60_000 } });
  });
  const deploy = (memoryMb = 512) =>
    bundled('apply', {
      topology: region.topology,
      region: region.name,
      url: region.database.url('concord_apply'),
      memoryMb,
    });
  const messageOf = (id: number, label: string): Message =>
    versionMessage({ region: 'us-1', stamp: HOUR_AGO + id, key: { id: String(id) }, columns: { label } });
  const countOf = async (from: number, to: number): Promise<number> => {
    const [row] = await region.sql`select count(*)::int as count from items where id between ${from} and ${to}`;
    return row?.count;
  };

  test('applies a batch, counts it, and tells of it in one line of metrics', async () => {
    const lambda = deploy();
    const records = [1, 2, 3].map((id, offset) =>
      kafkaRecord('us-1', messageOf(id, `label ${id}`), { partition: 1, offset }),
    );
    assert.deepEqual(await lambda.invoke(kafkaEvent(records)), { batchItemFailures: [] });
    assert.equal(await countOf(1, 3), 3);
    const [watermark] =
      await region.sql`select next_offset::int as next, applied::int from concord.watermark where partition = 1`;
    assert.deepEqual({ ...watermark }, { next: 3, applied: 3 });
    const metrics = lambda
      .output()
      .split('\n')
      .filter((line) => line.includes('"_aws"'));
    assert.equal(metrics.length, 1, lambda.output());
    const line = JSON.parse(metrics[0] ?? '');
    assert.deepEqual([line.region, line.received, line.applied], ['here-1', 3, 3]);
  });

  test('takes a payload of 6 MB; what is larger never reaches it', async (t) => {
    const lambda = deploy();
    const label = 'x'.repeat(300_000);
    const records = Array.from({ length: 14 }, (_, offset) =>
      kafkaRecord('us-1', messageOf(100 + offset, label), { partition: 2, offset }),
    );
    const missing = PAYLOAD_BYTES - Buffer.byteLength(JSON.stringify(kafkaEvent(records)));
    // Base64 of three bytes more is four bytes more.
    const longer = label + 'x'.repeat(Math.floor(missing / 4) * 3);
    const event = kafkaEvent([
      ...records.slice(0, -1),
      kafkaRecord('us-1', messageOf(113, longer), { partition: 2, offset: 13 }),
    ]);
    const bytes = Buffer.byteLength(JSON.stringify(event));
    assert.ok(bytes <= PAYLOAD_BYTES && bytes > PAYLOAD_BYTES - 8, `${bytes} bytes`);
    assert.deepEqual(await lambda.invoke(event), { batchItemFailures: [] });
    assert.equal(await countOf(100, 113), 14);
    t.diagnostic(`${bytes} bytes`);
    const more = kafkaRecord('us-1', messageOf(114, 'small'), { partition: 2, offset: 14 });
    const tooLarge = kafkaEvent([...Object.values(event.records).flat(), more]);
    await assert.rejects(lambda.invoke(tooLarge), { errorType: 'RequestEntityTooLargeException' });
    assert.equal(await countOf(114, 114), 0);
  });

  test('applies partitions at once, each in an environment of its own', async () => {
    const lambda = deploy();
    const partitions = [10, 11, 12, 13];
    const held = sessionOf(region.database.connect());
    await held.begin();
    // Every batch inserts its progress first, and none can, so all of them are under way together.
    await held.run('lock table concord.watermark in share mode');
    const messages = partitions.map((partition): [number, Message[]] => [
      partition,
      Array.from({ length: 200 }, (_, n) => messageOf(partition * 1000 + n, `of ${partition}`)),
    ]);
    const { retries } = await drained({
      topic: 'cdc.us-1',
      messages: new Map(messages),
      invoke: lambda.invoke,
      concurrency: partitions.length,
      batchSize: 200,
      meanwhile: async () => {
        await lockWaiters(region.sql, partitions.length);
        assert.equal(new Set(lambda.environments().map(({ pid }) => pid())).size, partitions.length);
        await held.commit();
      },
    });
    assert.equal(retries, 0);
    for (const partition of partitions) assert.equal(await countOf(partition * 1000, partition * 1000 + 999), 200);
    assert.equal(lambda.environments().length, partitions.length);
  });
});
