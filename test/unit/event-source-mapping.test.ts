import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseKafkaEvent } from '@concord/events';
import { createLog } from '../../local/log/log.ts';
import { logSource, startMapping } from '../../local/mapping/event-source-mapping.ts';
import { fill, offsetsOf, pass, settle, TOPIC, useBench } from '../support/mapping.ts';

const bench = useBench();

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

  test('none starves: they take turns to be first in a batch', async () => {
    const { log, calls, next } = await bench({ partitions: 5, batchSize: 10, concurrency: 1 });
    for (const partition of [0, 1, 2, 3, 4]) fill(log, partition, 100);
    for (let i = 0; i < 12; i++) (await next()).succeed();
    const seen = calls.slice(0, 12).flatMap((call) => Object.keys(offsetsOf(call.event)));
    assert.deepEqual([...new Set(seen)].sort(), ['0', '1', '2', '3', '4']);
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
