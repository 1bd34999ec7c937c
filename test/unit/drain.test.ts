import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BatchResponse, drainedRecord, type KafkaEvent, type KafkaRecord } from '@concord/events';
import { recordsOf } from '@concord/runtime';
import { type DrainOptions, drain } from '../../functions/drain/drain.ts';
import { payloadsOf } from '../../functions/drain/payloads.ts';
import { failedBatch } from '../support/failed-batches.ts';
import { kafkaRecord } from '../support/records.ts';

const DONE: BatchResponse = { batchItemFailures: [] };
const recordsWith = (count: number, bytes: number): KafkaRecord[] =>
  Array.from({ length: count }, (_, n) =>
    kafkaRecord('eu-1', { key: `k${n}`, value: 'v'.repeat(bytes) }, { offset: n }),
  );

describe('payloads', () => {
  const sizeOf = (event: KafkaEvent): number => Buffer.byteLength(JSON.stringify(event));

  test('hold what an invocation takes, keep the order and lose nothing', () => {
    const records = recordsWith(60, 200_000).map(drainedRecord);
    const payloads = [...payloadsOf(records)];
    assert.deepEqual(payloads.flatMap(recordsOf), records);
    assert.ok(payloads.length >= 3 && payloads.every((payload) => sizeOf(payload) <= 6 * 1024 * 1024));
  });
  test('are as large as they may be, to the byte', () => {
    const records = recordsWith(3, 10).map(drainedRecord);
    const bytes = sizeOf([...payloadsOf(records)][0]!);
    assert.deepEqual(
      [...payloadsOf(records, bytes + 1)].map((payload) => recordsOf(payload).length),
      [3],
    );
    assert.deepEqual(
      [...payloadsOf(records, bytes - 1)].map((payload) => recordsOf(payload).length),
      [2, 1],
    );
  });
  test('of nothing are none; a record that no invocation takes is named', () => {
    assert.deepEqual([...payloadsOf([])], []);
    assert.throws(() => [...payloadsOf(recordsWith(1, 5_000_000))], /record 0 of the batch has 6\d{6} bytes/);
  });
});

describe('draining', () => {
  /** A bucket in memory, and a drain of it with an hour's time. */
  function setUp(objects: Readonly<Record<string, string>>, options: Partial<DrainOptions> = {}) {
    const stored = new Map(Object.entries(objects));
    const warnings: Readonly<Record<string, unknown>>[] = [];
    const applied: KafkaEvent[] = [];
    const run = () =>
      drain({
        batches: {
          async *keys() {
            const all = [...stored.keys()].sort();
            for (let at = 0; at < all.length; at += 2) yield all.slice(at, at + 2);
          },
          read: async (key) => stored.get(key),
          remove: async (key) => void stored.delete(key),
        },
        apply: async (event) => {
          applied.push(event);
          return DONE;
        },
        remainingMs: () => 3_600_000,
        onWarning: (_, details) => warnings.push(details),
        ...options,
      });
    return { stored, warnings, applied, run };
  }
  const batchOf = (count: number) => failedBatch(recordsWith(count, 10));

  test('hands every batch to apply, oldest first, and deletes it then', async () => {
    const { stored, applied, run } = setUp({ b: batchOf(2), a: batchOf(1), c: batchOf(3) });
    assert.deepEqual(await run(), { drained: 3, failed: 0, foreign: 0, left: 0, records: 6 });
    assert.deepEqual(
      applied.map((event) => recordsOf(event).length),
      [1, 2, 3],
    );
    assert.equal(stored.size, 0);
  });

  test('keeps what apply gave back, what it failed at, and what is none of these objects, and says so', async () => {
    let calls = 0;
    const apply = async (): Promise<BatchResponse> => {
      calls++;
      if (calls === 1) throw new Error('apply failed: Unhandled');
      return calls === 2 ? { batchItemFailures: [{ itemIdentifier: { partition: 'p', offset: 0 } }] } : DONE;
    };
    const objects = { a: batchOf(1), b: batchOf(1), c: '{"hello":1}', d: batchOf(1) };
    const { stored, warnings, run } = setUp(objects, { apply });
    assert.deepEqual(await run(), { drained: 1, failed: 2, foreign: 1, left: 0, records: 1 });
    assert.deepEqual([...stored.keys()], ['a', 'b', 'c']);
    assert.deepEqual(
      warnings.map(({ key, outcome }) => [key, outcome]),
      [
        ['a', 'failed'],
        ['b', 'failed'],
        ['c', 'foreign'],
      ],
    );
    assert.match(String(warnings[0]?.reason), /apply failed: Unhandled/);
  });

  test('a batch of several payloads is deleted only when all of them went in', async () => {
    let calls = 0;
    const apply = async (): Promise<BatchResponse> => {
      if (++calls === 2) throw new Error('no');
      return DONE;
    };
    const { stored, run } = setUp({ a: failedBatch(recordsWith(60, 200_000)) }, { apply });
    assert.deepEqual(await run(), { drained: 0, failed: 1, foreign: 0, left: 0, records: 0 });
    assert.equal(calls, 2);
    assert.equal(stored.size, 1);
  });

  test('stops before its own time is up, and counts what is left', async () => {
    let remaining = 60_000;
    const apply = async (): Promise<BatchResponse> => {
      remaining -= 25_000;
      return DONE;
    };
    const objects = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((key) => [key, batchOf(1)]));
    const { stored, run } = setUp(objects, { apply, remainingMs: () => remaining });
    assert.deepEqual(await run(), { drained: 2, failed: 0, foreign: 0, left: 3, records: 2 });
    assert.equal(stored.size, 3);
  });

  test('does not wait for apply longer than its own time', async () => {
    const clock = [60_000, 2050];
    const apply: DrainOptions['apply'] = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const { run, warnings } = setUp({ a: batchOf(1) }, { apply, remainingMs: () => clock.shift() ?? 2000 });
    assert.deepEqual(await run(), { drained: 0, failed: 1, foreign: 0, left: 0, records: 0 });
    assert.match(String(warnings[0]?.reason), /timeout/);
  });

  test('what somebody else drained meanwhile is nobody’s fault', async () => {
    const { stored, warnings, run } = setUp(
      { a: batchOf(1), b: batchOf(1) },
      {
        apply: async () => {
          stored.clear();
          return DONE;
        },
      },
    );
    assert.deepEqual(await run(), { drained: 1, failed: 0, foreign: 0, left: 0, records: 1 });
    assert.deepEqual(warnings, []);
  });
});
