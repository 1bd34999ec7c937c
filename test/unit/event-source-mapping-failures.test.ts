import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FailedBatch } from '../../local/mapping/event-source-mapping.ts';
import { type BenchOptions, fill, NOW_MS, offsetsOf, pass, settle, TOPIC, useBench } from '../support/mapping.ts';

const bench = useBench();
const failed = (partition: number, offset: number) => ({
  itemIdentifier: { partition: `${TOPIC}-${partition}`, offset },
});

describe('retry', () => {
  test('a failed batch is retried as it was, with back-off, and blocks its partitions', async () => {
    const { log, next, batches, mapping } = await bench({ partitions: 2 });
    fill(log, 0, 2);
    (await next()).fail('first');
    await settle();
    fill(log, 0, 1);
    for (const delayMs of [100, 200, 400, 800, 1000, 1000]) {
      await pass(delayMs - 1);
      const before = batches().length;
      await pass(1);
      assert.equal(batches().length, before + 1, `after ${delayMs} ms`);
      (await next()).fail('again');
      await settle();
    }
    assert.ok(batches().every((batch) => batch['0']?.join() === '0,1'));
    assert.equal(mapping.status().lastError?.message, 'again');
    assert.equal(mapping.status().retries, 6);
    await pass(1000);
    (await next()).succeed();
    await settle();
    assert.deepEqual(batches().at(-1), { 0: [2] });
  });

  test('-1 retries for ever', async () => {
    const { log, next, mapping } = await bench();
    fill(log, 0, 1);
    for (let i = 0; i < 50; i++) {
      (await next()).fail('no');
      await settle();
      await pass(1000);
    }
    assert.equal(mapping.status().retries, 50);
    assert.equal(mapping.status().discardedRecords, 0);
  });

  test('maximum retry attempts: then the batch is dropped and the partition goes on', async () => {
    const { log, next, batches, committed, mapping } = await bench({ maximumRetryAttempts: 2 });
    fill(log, 0, 2);
    for (let i = 0; i < 3; i++) {
      (await next()).fail('no');
      await settle();
      await pass(1000);
    }
    assert.deepEqual(committed(), [2]);
    assert.equal(mapping.status().discardedRecords, 2);
    fill(log, 0, 1);
    await settle();
    assert.deepEqual(batches().at(-1), { 0: [2] });
  });

  test('0 attempts: one invocation and no retry', async () => {
    const { log, next, calls, committed } = await bench({ maximumRetryAttempts: 0 });
    fill(log, 0, 1);
    (await next()).fail('no');
    await pass(1000);
    assert.deepEqual([calls.length, committed()], [1, [1]]);
  });

  test('without ReportBatchItemFailures what the function returns does not matter', async () => {
    const { log, next, committed } = await bench();
    fill(log, 0, 2);
    (await next()).succeed({ batchItemFailures: [failed(0, 0)] });
    await settle();
    assert.deepEqual(committed(), [2]);
  });
});

describe('record age', () => {
  test('records that are too old are given up before they are delivered, in order', async () => {
    const given: FailedBatch[] = [];
    const { log, batches, committed } = await bench({
      maximumRecordAgeMs: 60_000,
      onFailure: (batch) => void given.push(batch),
    });
    for (const ageMs of [90_000, 60_001, 60_000, 90_000, 0]) log.append(TOPIC, 'k', 'v', NOW_MS - ageMs, 0);
    await settle();
    assert.deepEqual(batches(), [{ 0: [2, 3, 4] }]);
    assert.deepEqual(committed(), [2]);
    assert.deepEqual(
      given.map(({ event, condition }) => [condition, offsetsOf(event)]),
      [['RecordAgeExceeded', { 0: [0, 1] }]],
    );
  });

  test('a batch of which nothing is young enough leaves its turn to the next', async () => {
    const { log, batches } = await bench({ maximumRecordAgeMs: 60_000, concurrency: 1 });
    log.append(TOPIC, 'k', 'v', NOW_MS - 90_000, 0);
    await settle();
    log.append(TOPIC, 'k', 'v', NOW_MS, 0);
    await settle();
    assert.deepEqual(batches(), [{ 0: [1] }]);
  });

  test('ends the retries of a batch', async () => {
    const { log, next, calls, committed } = await bench({ maximumRecordAgeMs: 60_000 });
    fill(log, 0, 2);
    (await next()).fail('no');
    await settle();
    await pass(60_001);
    assert.deepEqual([calls.length, committed()], [1, [2]]);
  });
});

describe('bisect', () => {
  test('the halves of a failed batch are delivered in order, and the culprit is isolated', async () => {
    const done: number[] = [];
    const given: number[] = [];
    const { log, batches, mapping } = await bench({
      bisectBatchOnFunctionError: true,
      maximumRetryAttempts: 0,
      onFailure: ({ event }) => void given.push(...(offsetsOf(event)['0'] ?? [])),
      invoke: async (event) => {
        const offsets = offsetsOf(event)['0'] ?? [];
        if (offsets.includes(5)) throw new Error('poison');
        done.push(...offsets);
      },
    });
    fill(log, 0, 8);
    await mapping.drained();
    assert.deepEqual(batches(), []);
    assert.deepEqual(done, [0, 1, 2, 3, 4, 6, 7]);
    assert.deepEqual(given, [5]);
  });

  test('splitting is not a retry: a batch of one has all its attempts', async () => {
    const { log, next, calls, batches } = await bench({ bisectBatchOnFunctionError: true, maximumRetryAttempts: 2 });
    fill(log, 0, 2);
    for (let i = 0; i < 4; i++) {
      (await next()).fail('no');
      await settle();
      await pass(1000);
    }
    assert.deepEqual(batches().slice(0, 4), [{ 0: [0, 1] }, { 0: [0] }, { 0: [0] }, { 0: [0] }]);
    await settle();
    assert.deepEqual(offsetsOf(calls[4]?.event ?? assert.fail()), { 0: [1] });
  });

  test('a later half waits for the earlier one, which is retried', async () => {
    const { log, next, batches, committed } = await bench({ bisectBatchOnFunctionError: true });
    fill(log, 0, 2);
    (await next()).fail('no');
    (await next()).fail('no');
    await settle();
    assert.deepEqual([batches(), committed()], [[{ 0: [0, 1] }, { 0: [0] }], [0]]);
    await pass(100);
    (await next()).succeed();
    await settle();
    assert.deepEqual([batches().slice(2), committed()], [[{ 0: [0] }, { 0: [1] }], [1]]);
  });

  test('a batch that mixes partitions falls apart by partition: one cannot hold up the other', async () => {
    const { log, next, batches, committed, mapping } = await bench({ partitions: 2, bisectBatchOnFunctionError: true });
    for (const partition of [0, 1]) fill(log, partition, 1);
    (await next()).fail('no');
    const [zero, one] = [await next(), await next()];
    assert.deepEqual(
      batches()
        .slice(1)
        .map((batch) => Object.keys(batch))
        .sort(),
      [['0'], ['1']],
    );
    const [poisoned, good] = offsetsOf(zero.event)['0'] ? [zero, one] : [one, zero];
    poisoned.fail('no');
    good.succeed();
    await settle();
    assert.deepEqual(committed(), [0, 1]);
    fill(log, 1, 1);
    (await next()).succeed();
    await settle();
    assert.deepEqual(committed(), [0, 2]);
    assert.equal(mapping.status().lagRecords, 1);
  });
});

describe('partial failure', () => {
  const partial = (options: BenchOptions = {}) => bench({ reportBatchItemFailures: true, ...options });

  test('object form: what is before the first failed offset of each partition is committed, the rest comes again', async () => {
    const { log, next, batches, committed } = await partial({ partitions: 3 });
    for (const partition of [0, 1, 2]) fill(log, partition, 4);
    (await next()).succeed({ batchItemFailures: [failed(0, 3), failed(0, 2), failed(0, 3), failed(1, 0)] });
    await settle();
    assert.deepEqual(committed(), [2, 0, 4]);
    await pass(100);
    assert.deepEqual(Object.assign({}, ...batches().slice(1)), { 0: [2, 3], 1: [0, 1, 2, 3] });
  });

  test('a partition without a failure is free while the others are retried', async () => {
    const { log, next, batches } = await partial({ partitions: 2 });
    for (const partition of [0, 1]) fill(log, partition, 1);
    (await next()).succeed({ batchItemFailures: [failed(0, 0)] });
    await settle();
    fill(log, 1, 1);
    await settle();
    assert.deepEqual(batches().slice(1), [{ 1: [1] }]);
  });

  test('progress begins the attempts anew, without it they run out', async () => {
    const { log, next, committed, mapping } = await partial({ maximumRetryAttempts: 1 });
    fill(log, 0, 4);
    for (const offset of [1, 2, 3]) {
      (await next()).succeed({ batchItemFailures: [failed(0, offset)] });
      await settle();
      assert.deepEqual(committed(), [offset]);
      await pass(1000);
    }
    (await next()).succeed({ batchItemFailures: [failed(0, 3)] });
    await settle();
    assert.deepEqual(committed(), [4]);
    assert.equal(mapping.status().discardedRecords, 1);
  });

  for (const [name, response] of [
    ['nothing', undefined],
    ['null', null],
    ['an empty object', {}],
    ['an empty list', { batchItemFailures: [] }],
    ['no list', { batchItemFailures: null }],
  ] as const) {
    test(`${name} is success`, async () => {
      const { log, next, committed } = await partial();
      fill(log, 0, 2);
      (await next()).succeed(response);
      await settle();
      assert.deepEqual(committed(), [2]);
    });
  }

  for (const [name, failure] of [
    ['string form', { itemIdentifier: `${TOPIC}-0-1` }],
    ['an empty string', { itemIdentifier: '' }],
    ['null', { itemIdentifier: null }],
    ['a bad key name', { itemId: { partition: `${TOPIC}-0`, offset: 1 } }],
    ['an unknown partition', failed(7, 1)],
    ['an unknown offset', failed(0, 9)],
    ['a bare partition number', { itemIdentifier: { partition: '0', offset: 1 } }],
  ] as const) {
    test(`${name}: the whole batch is retried, also with bisect`, async () => {
      const { log, next, batches, committed, mapping } = await partial({ bisectBatchOnFunctionError: true });
      fill(log, 0, 2);
      (await next()).succeed({ batchItemFailures: [failed(0, 1), failure] });
      await pass(100);
      await pass(100);
      assert.deepEqual([batches(), committed()], [[{ 0: [0, 1] }, { 0: [0, 1] }], [0]]);
      assert.match(String(mapping.status().lastError), /batch response/);
    });
  }
});

describe('on-failure destination', () => {
  test('has the whole records and the error, and then they are committed', async () => {
    const given: FailedBatch[] = [];
    const taken = Promise.withResolvers<void>();
    const { log, next, calls, committed } = await bench({
      maximumRetryAttempts: 0,
      onFailure: (batch) => {
        given.push(batch);
        return taken.promise;
      },
    });
    fill(log, 0, 2);
    (await next()).fail('boom');
    await settle();
    assert.deepEqual(
      given.map(({ error, condition }) => [error.message, condition]),
      [['boom', 'RetryAttemptsExhausted']],
    );
    assert.deepEqual(given[0]?.event, calls[0]?.event);
    assert.deepEqual(committed(), [0]);
    taken.resolve();
    await settle();
    assert.deepEqual(committed(), [2]);
  });

  test('caps infinite retries at 10', async () => {
    const given: FailedBatch[] = [];
    const { log, next, calls } = await bench({ onFailure: (batch) => void given.push(batch) });
    fill(log, 0, 1);
    for (let i = 0; i < 11; i++) {
      assert.equal(given.length, 0);
      (await next()).fail('no');
      await settle();
      await pass(1000);
    }
    assert.deepEqual([calls.length, given.length], [11, 1]);
  });

  test('is asked again until it takes them', async () => {
    let refusals = 3;
    const { log, next, committed, mapping } = await bench({
      maximumRetryAttempts: 0,
      onFailure: () => {
        if (refusals-- > 0) throw new Error('queue is away');
      },
    });
    fill(log, 0, 1);
    (await next()).fail('boom');
    await settle();
    assert.equal(mapping.status().lastError?.message, 'queue is away');
    assert.deepEqual(committed(), [0]);
    for (const delayMs of [100, 200, 400]) await pass(delayMs);
    assert.deepEqual(committed(), [1]);
  });
});
