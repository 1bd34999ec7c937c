import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { bundled, stopLambdas } from '../support/bundled.ts';
import { useCluster } from '../support/cluster.ts';
import { drained } from '../support/drained.ts';
import type { Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters, sessionOf } from '../support/sessions.ts';
import { HOUR_AGO, versionEvent, versionMessage } from '../support/versions.ts';

const SCHEMA = 'create table items (id bigint primary key, label text);';
/** Lambda's smallest. */
const SMALL_MB = 128;
/** Enough to park, unread, the largest record that Lambda delivers: about 160. */
const PARKING_MB = 192;

stopLambdas();
const cluster = useCluster();
const skip = process.platform === 'linux' ? false : 'nothing tells how much a process holds';

describe('the deployed apply function at its limits', { skip }, () => {
  let region: Region;
  before(async () => {
    const options = { names: ['here-1', 'us-1'], schema: SCHEMA, tables: ['public.items'] };
    region = await createRegion(await cluster(), { ...options, limits: { lockTimeoutMs: 60_000 } });
  });

  const deploy = (settings: { memoryMb?: number; timeoutMs?: number }) => {
    const lambda = bundled('apply', {
      ...{ topology: region.topology, region: region.name, url: region.database.url('concord_apply') },
      ...settings,
    });
    const failures: unknown[] = [];
    const invoke = async (event: unknown): Promise<unknown> => {
      try {
        return await lambda.invoke(event);
      } catch (error) {
        failures.push((error as { errorType?: string }).errorType);
        throw error;
      }
    };
    return { ...lambda, invoke, failures };
  };
  const messageOf = (id: number, label: string): Message =>
    versionMessage({ region: 'us-1', stamp: HOUR_AGO + id, key: { id: String(id) }, columns: { label } });
  const idsBetween = async (from: number, to: number): Promise<number[]> =>
    (await region.sql`select id::int from items where id between ${from} and ${to} order by id`).map(({ id }) => id);
  const watermarkOf = async (partition: number) => ({
    ...(
      await region.sql`select next_offset::int as next, applied::int, parked::int from concord.watermark where partition = ${partition}`
    )[0],
  });
  const ids = (from: number, count: number): number[] => Array.from({ length: count }, (_, n) => from + n);

  test('dies of a batch that is too large for its memory, and gets it in halves', async (t) => {
    const lambda = deploy({ memoryMb: SMALL_MB });
    const large = ids(100, 10).map((id) => messageOf(id, 'x'.repeat(455_000)));
    const { retries } = await drained({ topic: 'cdc.us-1', messages: new Map([[1, large]]), invoke: lambda.invoke });
    t.diagnostic(`${lambda.failures.length} deaths, ${retries} retries`);
    assert.ok(lambda.failures.length > 0);
    assert.deepEqual(new Set(lambda.failures), new Set(['Runtime.OutOfMemory']));
    assert.deepEqual(await idsBetween(100, 109), ids(100, 10));
    assert.deepEqual(await watermarkOf(1), { next: 10, applied: 10, parked: 0 });
  });

  test('parks the one record that kills it, and applies those before and after in order', async (t) => {
    const lambda = deploy({ memoryMb: PARKING_MB });
    const good = ids(200, 6).map((id) => messageOf(id, 'good'));
    // A megabyte and a half of empty objects: 4.5 MB of text, a hundred in memory.
    const bomb = `[${'{},'.repeat(1_450_000)}{}]`;
    const event = versionEvent({ region: 'us-1', stamp: HOUR_AGO, key: { id: '299' }, columns: { label: 'bomb' } });
    const killer: Message = {
      key: messageOf(299, '').key,
      value: JSON.stringify(event).replace('"bomb"', bomb),
    };
    const messages = [...good.slice(0, 3), killer, ...good.slice(3)];
    await drained({ topic: 'cdc.us-1', messages: new Map([[2, messages]]), invoke: lambda.invoke });
    t.diagnostic(`${lambda.failures.length} deaths: ${[...new Set(lambda.failures)].join(', ')}`);
    assert.deepEqual(await idsBetween(200, 299), ids(200, 6));
    assert.deepEqual(await watermarkOf(2), { next: 7, applied: 6, parked: 1 });
    const [parked] =
      await region.sql`select "offset"::int, reason, octet_length(value) as bytes from concord.parked where partition = 2`;
    assert.deepEqual({ ...parked }, { offset: 3, reason: 'killer', bytes: Buffer.byteLength(killer.value) });
  });

  test('stops in time while a row is locked, reports what is not done, and is never killed', async () => {
    const lambda = deploy({ timeoutMs: 2500 });
    await region.sql`insert into items (id, label) values (300, 'here')`;
    const holder = sessionOf(region.database.connect());
    await holder.begin();
    await holder.run('select from items where id = 300 for update');
    const stamp = Date.now() * 1000;
    const messages = ids(300, 3).map((id) =>
      versionMessage({ region: 'us-1', stamp: stamp + id, key: { id: String(id) }, columns: { label: 'there' } }),
    );
    const { retries } = await drained({
      topic: 'cdc.us-1',
      messages: new Map([[3, messages]]),
      invoke: lambda.invoke,
      meanwhile: async () => {
        await lockWaiters(region.sql);
        // The first invocation has to give up before the row is free.
        while (!lambda.output().includes('out of time')) await lockWaiters(region.sql, 0);
        await holder.commit();
      },
    });
    assert.ok(retries > 0);
    assert.deepEqual(lambda.failures, []);
    const rows = await region.sql`select label from items where id between 300 and 302 order by id`;
    assert.deepEqual(
      rows.map(({ label }) => label),
      ['there', 'there', 'there'],
    );
    assert.equal(lambda.environments().length, 1);
  });
});
