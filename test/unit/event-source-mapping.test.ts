import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { parseKafkaEvent } from '@concord/events';
import { createLog } from '../../local/log/log.ts';
import { type FailedBatch, logSource, startMapping } from '../../local/mapping/event-source-mapping.ts';
import { type Bench, type BenchOptions, fill, offsetsOf, settle, startBench, TOPIC } from '../support/mapping.ts';

const NOW_MS = Date.UTC(2026, 10, 21);
let benches: Bench[] = [];

async function bench(options: BenchOptions = {}): Promise<Bench> {
  const started = await startBench({ retryDelay: { minMs: 100, maxMs: 1000 }, ...options });
  await settle();
  benches.push(started);
  return started;
}
/** Moves the clock, and lets everything happen that is due then. */
async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await settle();
}
const failed = (partition: number, offset: number) => ({
  itemIdentifier: { partition: `${TOPIC}-${partition}`, offset },
});

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOW_MS }));
afterEach(async () => {
  for (const { mapping, calls } of benches) {
    let isStopped = false;
    const stopping = mapping.stop().finally(() => {
      isStopped = true;
    });
    for (; !isStopped; await settle()) for (const call of calls) call.succeed();
    await stopping;
  }
  benches = [];
  mock.timers.reset();
});

describe('payload', () => {
  test('is what Lambda builds: base64, keyed by topic and partition, null left out', async () => {
    const { log, next } = await bench({ partitions: 2 });
    log.append(TOPIC, 'ä', Buffer.of(0, 0xff), 17, 1);
    log.append(TOPIC, null, null, 18, 1);
    const { event } = await next();
    assert.deepEqual(parseKafkaEvent(event), {
      eventSource: 'aws:kafka',
      records: {
        'cdc.eu-west-1-1': [
          {
            ...{ topic: TOPIC, partition: 1, offset: 0, timestamp: 17, timestampType: 'CREATE_TIME' },
            ...{ key: 'w6Q=', value: 'AP8=', headers: [] },
          },
          { topic: TOPIC, partition: 1, offset: 1, timestamp: 18, timestampType: 'CREATE_TIME', headers: [] },
        ],
      },
    });
  });
});

describe('batching', () => {
  test('batch size: 100 records by default, at most 10,000', async () => {
    const { log, next, batches } = await bench();
    fill(log, 0, 150);
    (await next()).succeed();
    await next();
    assert.deepEqual(
      batches().map((batch) => batch['0']?.length),
      [100, 50],
    );
    const source = logSource(log, TOPIC, 'other');
    for (const batchSize of [0, 1.5, 10_001])
      await assert.rejects(startMapping({ source, invoke: async () => undefined, batchSize }), RangeError);
  });

  test('window: a batch waits for more until the window that its first record opened is over', async () => {
    const { log, calls, batches } = await bench({ batchWindowMs: 500 });
    await pass(400);
    fill(log, 0, 1);
    await settle();
    await pass(300);
    fill(log, 0, 1);
    await settle();
    await pass(199);
    assert.equal(calls.length, 0);
    await pass(1);
    assert.deepEqual(batches(), [{ 0: [0, 1] }]);
  });

  test('window: the next batch opens one of its own', async () => {
    const { log, next, calls } = await bench({ batchWindowMs: 500 });
    fill(log, 0, 1);
    await settle();
    await pass(500);
    (await next()).succeed();
    await settle();
    fill(log, 0, 1);
    await settle();
    await pass(499);
    assert.equal(calls.length, 1);
    await pass(1);
    assert.equal(calls.length, 2);
  });

  test('window: a full batch does not wait', async () => {
    const { log, batches } = await bench({ batchWindowMs: 500, batchSize: 2 });
    fill(log, 0, 3);
    await settle();
    assert.deepEqual(batches(), [{ 0: [0, 1] }]);
  });

  test('window 0: a batch goes with what is there', async () => {
    const { log, batches } = await bench();
    fill(log, 0, 1);
    fill(log, 0, 2);
    await settle();
    assert.deepEqual(batches(), [{ 0: [0, 1, 2] }]);
  });

  test('bytes: the payload stays below 6 MB of base64, and then does not wait', async () => {
    const { log, next, calls } = await bench({ batchWindowMs: 500, batchSize: 10_000 });
    fill(log, 0, 700, 'x'.repeat(10_000));
    const { event, succeed } = await next();
    const bytes = JSON.stringify(event).length;
    assert.ok(bytes <= 6 * 1024 * 1024 && bytes > 6 * 1024 * 1024 - 40_000, `${bytes} bytes`);
    succeed();
    await settle();
    await pass(500);
    assert.equal(
      calls.map((call) => offsetsOf(call.event)['0']?.length).reduce((a = 0, b = 0) => a + b),
      700,
    );
  });

  test('bytes: many small records count with their envelope', async () => {
    const { log, next } = await bench({ batchSize: 10_000, maxBatchBytes: 100_000 });
    fill(log, 0, 2000, null);
    assert.ok(JSON.stringify((await next()).event).length <= 100_000);
  });

  test('bytes: a record that alone is too large goes alone', async () => {
    const { log, next, batches } = await bench({ maxBatchBytes: 1000 });
    fill(log, 0, 1);
    fill(log, 0, 1, 'x'.repeat(5000));
    fill(log, 0, 1);
    for (let i = 0; i < 3; i++) (await next()).succeed();
    assert.deepEqual(batches(), [{ 0: [0] }, { 0: [1] }, { 0: [2] }]);
  });
});

describe('partitions', () => {
  test('one payload may mix them', async () => {
    const { log, batches } = await bench({ partitions: 3 });
    for (const partition of [0, 1, 2]) fill(log, partition, 2);
    await settle();
    assert.equal(batches().length, 1);
    assert.deepEqual(batches()[0], { 0: [0, 1], 1: [0, 1], 2: [0, 1] });
  });

  test('one batch in flight per partition, other partitions go on beside it', async () => {
    const { log, batches, next } = await bench({ partitions: 2 });
    fill(log, 0, 1);
    const first = await next();
    fill(log, 0, 1);
    fill(log, 1, 1);
    await settle();
    assert.deepEqual(batches(), [{ 0: [0] }, { 1: [0] }]);
    first.succeed();
    await settle();
    assert.deepEqual(batches()[2], { 0: [1] });
  });

  test('no more invocations at a time than the concurrency allows; what waits goes together', async () => {
    const { log, batches, next, mapping } = await bench({ partitions: 4, concurrency: 2 });
    for (const partition of [0, 1, 2, 3]) {
      fill(log, partition, 1);
      await settle();
    }
    assert.deepEqual(batches(), [{ 0: [0] }, { 1: [0] }]);
    assert.equal(mapping.status().inFlight, 2);
    (await next()).succeed();
    await settle();
    assert.deepEqual(batches()[2], { 2: [0], 3: [0] });
  });

  test('none starves: they take turns to fill a batch', async () => {
    const { log, calls, next } = await bench({ partitions: 2, batchSize: 10, concurrency: 1 });
    for (const partition of [0, 1]) fill(log, partition, 100);
    for (let i = 0; i < 4; i++) (await next()).succeed();
    const seen = calls.slice(0, 4).flatMap((call) => Object.keys(offsetsOf(call.event)));
    assert.deepEqual(new Set(seen), new Set(['0', '1']));
  });
});

describe('commit', () => {
  test('only after the function succeeded, behind the last record', async () => {
    const { log, next, committed } = await bench();
    fill(log, 0, 3);
    const call = await next();
    assert.deepEqual(committed(), [0]);
    call.succeed();
    await settle();
    assert.deepEqual(committed(), [3]);
  });

  test('a new mapping of the group goes on where the last one committed', async () => {
    const first = await bench();
    fill(first.log, 0, 3);
    const call = await first.next();
    const stopping = first.mapping.stop();
    call.fail('not now');
    await stopping;
    assert.equal(first.calls.length, 1);
    const second = await bench({ log: first.log });
    await settle();
    assert.deepEqual(second.batches(), [{ 0: [0, 1, 2] }]);
  });

  test('LATEST begins behind what is there, TRIM_HORIZON before it', async () => {
    const log = createLog({ retain: 'all' });
    log.createTopic(TOPIC, 1);
    fill(log, 0, 3);
    const latest = await bench({ log, source: logSource(log, TOPIC, 'late', 'LATEST') });
    const horizon = await bench({ log, source: logSource(log, TOPIC, 'early') });
    fill(log, 0, 1);
    await settle();
    assert.deepEqual([latest.batches(), horizon.batches()], [[{ 0: [3] }], [{ 0: [0, 1, 2] }]]);
  });
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
    (await next()).succeed({ batchItemFailures: [failed(0, 3), failed(0, 2), failed(1, 0)] });
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

describe('pause, resume, stop, drained', () => {
  test('pause lets the invocation under way end and begins no other, retries included', async () => {
    const { log, next, calls, committed, mapping } = await bench({ partitions: 2 });
    fill(log, 0, 1);
    const first = await next();
    fill(log, 1, 1);
    const second = await next();
    mapping.pause();
    first.succeed();
    second.fail('no');
    fill(log, 0, 1);
    await settle();
    await pass(10_000);
    assert.deepEqual([calls.length, committed(), mapping.status().inFlight], [2, [1, 0], 0]);
    mapping.resume();
    (await next()).succeed();
    (await next()).succeed();
    await mapping.drained();
    assert.deepEqual(committed(), [2, 1]);
  });

  test('stop waits for the invocation under way and commits it', async () => {
    const { log, next, calls, committed, mapping } = await bench();
    fill(log, 0, 1);
    const call = await next();
    let isStopped = false;
    const stopping = mapping.stop().then(() => (isStopped = true));
    fill(log, 0, 1);
    await settle();
    assert.equal(isStopped, false);
    call.succeed();
    await stopping;
    assert.deepEqual([calls.length, committed()], [1, [1]]);
  });

  test('stop does not wait for a back-off, a window, or a pause', async () => {
    const retrying = await bench();
    fill(retrying.log, 0, 1);
    (await retrying.next()).fail('no');
    await settle();
    await retrying.mapping.stop();
    const gathering = await bench({ batchWindowMs: 500 });
    fill(gathering.log, 0, 1);
    await settle();
    await gathering.mapping.stop();
    const paused = await bench();
    paused.mapping.pause();
    fill(paused.log, 0, 1);
    await paused.mapping.stop();
    assert.deepEqual([gathering.calls.length, paused.calls.length], [0, 0]);
    assert.deepEqual(
      [retrying, gathering, paused].map(({ committed }) => committed()),
      [[0], [0], [0]],
    );
  });

  test('drained: all that was in the log at the call is committed, what came later does not count', async () => {
    const { log, next, mapping } = await bench({ batchSize: 2 });
    await mapping.drained();
    fill(log, 0, 3);
    let isDrained = false;
    const draining = mapping.drained().then(() => (isDrained = true));
    fill(log, 0, 5);
    (await next()).succeed();
    await settle();
    assert.equal(isDrained, false);
    (await next()).succeed();
    await draining;
    assert.equal(mapping.status().lagRecords, 4);
  });

  test('drained rejects when the mapping stops before', async () => {
    const { log, next, mapping } = await bench();
    fill(log, 0, 1);
    const draining = assert.rejects(mapping.drained(), /stopped/);
    const call = await next();
    const stopping = mapping.stop();
    call.fail('no');
    await Promise.all([draining, stopping]);
  });

  test('a source that fails stops the mapping, and both stop and drained tell', async () => {
    const log = createLog({ retain: 'all' });
    log.createTopic(TOPIC, 1);
    const source = {
      ...logSource(log, TOPIC, 'apply'),
      commit: () => {
        throw new Error('not the leader');
      },
    };
    fill(log, 0, 1);
    const mapping = await startMapping({ source, invoke: async () => undefined });
    await assert.rejects(mapping.drained(), /not the leader/);
    await assert.rejects(mapping.stop(), /not the leader/);
    assert.match(String(mapping.status().lastError), /not the leader/);
  });
});
