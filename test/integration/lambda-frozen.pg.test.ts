import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { bundled, stopLambdas } from '../support/bundled.ts';
import { useCluster } from '../support/cluster.ts';
import { drained } from '../support/drained.ts';
import { backendsOf, terminate } from '../support/interruptions.ts';
import { kafkaEvent, kafkaRecord, type Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = 'create table items (id bigint primary key, label text);';
/** A function asks a connection whether it is there if it has not used it for a second. */
const UNUSED_MS = 1100;

stopLambdas();
const cluster = useCluster();
const skip = process.platform === 'linux' ? false : 'reads /proc';

describe('the deployed apply function, frozen between invocations', { skip }, () => {
  let region: Region;
  let partition = 0;
  before(async () => {
    const options = { names: ['here-1', 'us-1'], schema: SCHEMA, tables: ['public.items'] };
    region = await createRegion(await cluster(), options);
  });

  const messageOf = (id: number): Message =>
    versionMessage({ region: 'us-1', stamp: HOUR_AGO + id, key: { id: String(id) }, columns: { label: 'frozen' } });
  const labelOf = async (id: number): Promise<unknown> =>
    (await region.sql`select label from items where id = ${id}`)[0]?.label;

  /** A function that has applied one record, and is frozen with its connection open. */
  async function frozen() {
    const lambda = bundled('apply', {
      topology: region.topology,
      region: region.name,
      url: region.database.url('concord_apply'),
    });
    partition++;
    const id = partition * 10;
    const apply = (offset: number) =>
      lambda.invoke(kafkaEvent([kafkaRecord('us-1', messageOf(id + offset), { partition, offset })]));
    assert.deepEqual(await apply(0), { batchItemFailures: [] });
    const pid = lambda.environments()[0]?.pid() ?? 0;
    await stopped(pid);
    assert.equal((await backendsOf(region.sql)).length, 1);
    return { lambda, id, pid, apply };
  }

  test('finds that its connection was ended meanwhile, and opens another', async () => {
    const { lambda, id, pid, apply } = await frozen();
    await terminate(region.sql);
    await delay(UNUSED_MS);
    assert.deepEqual(await apply(1), { batchItemFailures: [] });
    assert.equal(await labelOf(id + 1), 'frozen');
    assert.equal(lambda.environments()[0]?.pid(), pid);
    await lambda.stop();
  });

  test('finds that the server was restarted meanwhile, and opens another', async () => {
    const { lambda, id, pid, apply } = await frozen();
    await region.database.cluster.stop();
    await region.database.cluster.restart();
    await delay(UNUSED_MS);
    assert.deepEqual(await apply(1), { batchItemFailures: [] });
    assert.equal(await labelOf(id + 1), 'frozen');
    assert.equal(lambda.environments()[0]?.pid(), pid);
    await lambda.stop();
  });

  test('whenever its connections end and however often the server restarts, the mapping loses nothing', async (t) => {
    const { lambda, id } = await frozen();
    const messages = Array.from({ length: 60 }, (_, n) => messageOf(id * 1000 + n));
    const { retries, batches } = await drained({
      topic: 'cdc.us-1',
      messages: new Map([[100, messages]]),
      invoke: lambda.invoke,
      batchSize: 1,
      meanwhile: async () => {
        for (let n = 0; n < 5; n++) await terminate(region.sql);
        await region.database.cluster.stop();
        await region.database.cluster.restart();
        await terminate(region.sql);
      },
    });
    t.diagnostic(`${batches} batches, ${retries} retries`);
    const [row] =
      await region.sql`select count(*)::int as count from items where id between ${id * 1000} and ${id * 1000 + 59}`;
    assert.equal(row?.count, messages.length);
    const [watermark] =
      await region.sql`select next_offset::int as next, parked::int from concord.watermark where partition = 100`;
    assert.deepEqual({ ...watermark }, { next: messages.length, parked: 0 });
    await lambda.stop();
  });
});

/** Waits until the kernel has stopped a process: as in /proc, its state is T. */
async function stopped(pid: number): Promise<void> {
  const state = (): string | undefined => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0];
  };
  while (state() !== 'T') await setImmediate();
}
