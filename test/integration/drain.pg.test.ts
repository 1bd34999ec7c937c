import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import { type Drained, drain } from '../../functions/drain/drain.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { failedBatch } from '../support/failed-batches.ts';
import { terminate } from '../support/interruptions.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

closeEnvironments();

describe('draining into a real database', { timeout: 60_000 }, () => {
  const cluster = useCluster();
  let region: Region;
  let environment: Environment;
  before(async () => {
    const schema = 'create table items (id bigint primary key, label text not null)';
    const options = { names: ['here-1', 'us-1', 'eu-1'], schema, tables: ['public.items'] };
    region = await createRegion(await cluster(), options);
    environment = environmentOf(region);
  });

  async function drainAll(stored: Map<string, string>): Promise<Drained> {
    return drain({
      batches: {
        async *keys() {
          yield [...stored.keys()].sort();
        },
        read: async (key) => stored.get(key),
        remove: async (key) => void stored.delete(key),
      },
      // Through JSON, as an invocation goes.
      apply: (event) => environment.apply(JSON.parse(JSON.stringify(event))),
      remainingMs: () => 60_000,
      onWarning: () => undefined,
    });
  }
  const row = (from: string, id: number, stamp: number, label: string | null, at: object = {}): KafkaRecord => {
    const made = { region: from, stamp: HOUR_AGO + stamp, key: { id: String(id) }, columns: { label } };
    return kafkaRecord(from, versionMessage(made), at);
  };
  const labels = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await region.sql`select id::text, label from items order by id`).map(({ id, label }) => [id, label]),
    );

  test('versions go where they belong, whatever came after them', async () => {
    await environment.deliver([row('us-1', 1, 9, 'newer'), row('us-1', 2, 1, 'older')]);
    const watermarks = () =>
      region.sql`select topic, partition, next_offset, received from concord.watermark order by 1, 2`;
    const before = [...(await watermarks())];
    const stored = new Map([
      [
        'aws/lambda/m/1',
        failedBatch([row('us-1', 1, 5, 'late'), row('us-1', 2, 5, 'first'), row('us-1', 2, 6, 'second')]),
      ],
      ['aws/lambda/m/2', failedBatch([row('eu-1', 3, 1, 'eu', { partition: 1 }), row('us-1', 4, 1, 'us')])],
    ]);
    const again = new Map(stored);
    assert.deepEqual(await drainAll(stored), { drained: 2, failed: 0, foreign: 0, left: 0, records: 5 });
    assert.equal(stored.size, 0);
    const expected = { 1: 'newer', 2: 'second', 3: 'eu', 4: 'us' };
    assert.deepEqual(await labels(), expected);
    await drainAll(again);
    assert.deepEqual(await labels(), expected);
    assert.deepEqual([...(await watermarks())], before, 'the progress of the topics is not that of the drain');
  });

  test('what cannot be applied is parked with the place in Kafka that it came from, once', async () => {
    const bad = row('us-1', 50, 1, null, { partition: 4, offset: 77 });
    const junk = kafkaRecord('eu-1', { key: null, value: 'junk' }, { partition: 2, offset: 5 });
    const foreign = { ...row('us-1', 51, 1, 'x', { partition: 1, offset: 9 }), topic: 'cdc.eu-1' };
    const text = failedBatch([bad, junk, foreign, row('us-1', 52, 1, 'good')]);
    for (let time = 0; time < 2; time++) assert.equal((await drainAll(new Map([['aws/lambda/m/3', text]]))).drained, 1);
    await environment.deliver([bad]);
    const parked =
      await region.sql`select topic, partition, "offset"::int, reason from concord.parked order by "offset"`;
    assert.deepEqual(
      [...parked],
      [
        { topic: 'cdc.eu-1', partition: 2, offset: 5, reason: 'not_json' },
        { topic: 'cdc.eu-1', partition: 1, offset: 9, reason: 'foreign_region' },
        { topic: 'cdc.us-1', partition: 4, offset: 77, reason: 'refused' },
      ],
    );
    assert.equal((await labels())[52], 'good');
  });

  test('a batch that the database cannot take now stays', async () => {
    const setReadOnly = async (value: string): Promise<void> => {
      await region.sql.unsafe(`alter role concord_apply set default_transaction_read_only = ${value}`);
      await terminate(region.sql);
    };
    await setReadOnly('on');
    const stored = new Map([['aws/lambda/m/4', failedBatch([row('us-1', 60, 1, 'later')])]]);
    assert.deepEqual(await drainAll(stored), { drained: 0, failed: 1, foreign: 0, left: 0, records: 0 });
    await setReadOnly('off');
    // Each run is one of the schedule: the first may still meet the connection that was closed.
    while ((await drainAll(stored)).drained === 0);
    assert.equal((await labels())[60], 'later');
  });
});
