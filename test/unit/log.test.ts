import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { partitionOf } from '@concord/events';
import { createLog, type Log } from '../../local/log/log.ts';

const TOPIC = 'cdc.eu-west-1';
const ALL = Number.MAX_SAFE_INTEGER;

function logWith(partitions: number, retain: 'all' | 'committed' = 'all'): Log {
  const log = createLog({ retain });
  log.createTopic(TOPIC, partitions);
  return log;
}
const fill = (log: Log, count: number, partition = 0): void => {
  for (let i = 0; i < count; i++) log.append(TOPIC, `k${i}`, `v${i}`, i, partition);
};
const offsets = (log: Log, from: number, maxRecords = ALL, maxBytes = ALL, partition = 0): number[] =>
  log.read(TOPIC, partition, from, maxRecords, maxBytes).map((record) => record.offset);

describe('topics', () => {
  test('are created once, with at least one partition', () => {
    const log = logWith(3);
    assert.deepEqual([log.topics(), log.partitions(TOPIC)], [[TOPIC], 3]);
    assert.throws(() => log.createTopic(TOPIC, 3), /exists already/);
    for (const partitions of [0, -1, 1.5, Number.NaN])
      assert.throws(() => log.createTopic('x', partitions), RangeError);
  });
  test('that do not exist are refused everywhere, partitions too', () => {
    const log = logWith(2);
    assert.throws(() => log.append('no', null, null, 0), /'no' does not exist/);
    assert.throws(() => log.read('no', 0, 0, 1, 1), /'no' does not exist/);
    assert.throws(() => log.waitForData('no', new Map()), /'no' does not exist/);
    assert.throws(() => log.end(TOPIC, 2), /partitions 0 to 1, not 2/);
    assert.throws(() => log.append(TOPIC, null, null, 0, 2), /partitions 0 to 1, not 2/);
  });
});

describe('append', () => {
  test('numbers the records of a partition from 0', () => {
    const log = logWith(1);
    assert.deepEqual(log.append(TOPIC, 'a', '1', 7), { partition: 0, offset: 0 });
    assert.deepEqual(log.append(TOPIC, 'b', '2', 8), { partition: 0, offset: 1 });
    assert.equal(log.end(TOPIC, 0), 2);
    assert.deepEqual(log.read(TOPIC, 0, 1, 1, ALL), [
      { offset: 1, timestampMs: 8, key: Buffer.from('b'), value: Buffer.from('2') },
    ]);
  });
  test('chooses the partition by key as Kafka does, text or bytes', () => {
    const log = logWith(16);
    for (let i = 0; i < 200; i++) {
      const key = `{"id":"${i}","_table":"public.users"}`;
      assert.equal(log.append(TOPIC, key, '', 0).partition, partitionOf(key, 16));
      assert.equal(log.append(TOPIC, Buffer.from(key), '', 0).partition, partitionOf(key, 16));
    }
  });
  test('lets records without a key take turns', () => {
    const log = logWith(3);
    const partitions = Array.from({ length: 6 }, () => log.append(TOPIC, null, 'x', 0).partition);
    assert.deepEqual(partitions, [0, 1, 2, 0, 1, 2]);
  });
  test('keeps any bytes, and null apart from the empty text', () => {
    const log = logWith(1);
    const poison = Buffer.of(0, 0xff, 0xfe, 0x80);
    log.append(TOPIC, poison, poison, 0);
    log.append(TOPIC, null, null, 0);
    log.append(TOPIC, '', '', 0);
    const [bytes, none, empty] = log.read(TOPIC, 0, 0, ALL, ALL);
    assert.deepEqual([bytes?.key, bytes?.value], [poison, poison]);
    assert.deepEqual([none?.key, none?.value], [null, null]);
    assert.deepEqual([empty?.key, empty?.value], [Buffer.alloc(0), Buffer.alloc(0)]);
  });
});

describe('read', () => {
  test('is limited by records', () => {
    const log = logWith(1);
    fill(log, 5);
    assert.deepEqual(offsets(log, 1, 3), [1, 2, 3]);
    assert.deepEqual(offsets(log, 5), []);
    assert.deepEqual(offsets(log, 99), []);
  });
  test('is limited by bytes, but returns at least one record', () => {
    const log = logWith(1);
    for (const size of [10, 10, 1000, 10]) log.append(TOPIC, null, Buffer.alloc(size), 0);
    assert.deepEqual(offsets(log, 0, ALL, 20), [0, 1]);
    assert.deepEqual(offsets(log, 0, ALL, 19), [0]);
    assert.deepEqual(offsets(log, 2, ALL, 1), [2]);
  });
});

describe('waitForData', () => {
  /** True when the promise is already resolved. */
  const settled = async (promise: Promise<void>): Promise<boolean> => {
    const pending = Symbol();
    return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
  };
  test('resolves at once when there is data', async () => {
    const log = logWith(2);
    fill(log, 1, 1);
    await log.waitForData(
      TOPIC,
      new Map([
        [0, 0],
        [1, 0],
      ]),
    );
  });
  test('resolves with the first record at the position, of the partitions asked for only', async () => {
    const log = logWith(2);
    fill(log, 1);
    const wait = log.waitForData(TOPIC, new Map([[0, 1]]));
    log.append(TOPIC, null, 'x', 0, 1);
    assert.equal(await settled(wait), false);
    log.append(TOPIC, null, 'x', 0, 0);
    await wait;
  });
  test('resolves when it is aborted', async () => {
    const log = logWith(1);
    const abort = new AbortController();
    const wait = log.waitForData(TOPIC, new Map([[0, 0]]), abort.signal);
    assert.equal(await settled(wait), false);
    abort.abort();
    await wait;
    await log.waitForData(TOPIC, new Map([[0, 0]]), abort.signal);
  });
});

describe('groups', () => {
  test('start at the start or at the end, and once registered stay where they are', () => {
    const log = logWith(1);
    fill(log, 3);
    log.registerGroup('a', TOPIC, 'start');
    log.registerGroup('b', TOPIC, 'end');
    assert.deepEqual([log.committed('a', TOPIC, 0), log.committed('b', TOPIC, 0)], [0, 3]);
    log.commit('a', TOPIC, 0, 2);
    log.registerGroup('a', TOPIC, 'start');
    assert.equal(log.committed('a', TOPIC, 0), 2);
  });
  test('that are not registered, and offsets that are not there, are refused', () => {
    const log = logWith(1);
    fill(log, 3);
    assert.throws(() => log.committed('a', TOPIC, 0), /'a' is not registered for topic 'cdc.eu-west-1'/);
    log.registerGroup('a', TOPIC, 'start');
    for (const offset of [-1, 4, Number.NaN]) assert.throws(() => log.commit('a', TOPIC, 0, offset), /not from 0 to 3/);
  });
});

describe('retention', () => {
  test('keeps everything when asked to, and lets a group go back', () => {
    const log = logWith(1, 'all');
    log.registerGroup('a', TOPIC, 'start');
    fill(log, 10);
    log.commit('a', TOPIC, 0, 10);
    log.commit('a', TOPIC, 0, 0);
    assert.equal(offsets(log, 0).length, 10);
  });
  test('keeps everything while no group is registered', () => {
    const log = logWith(1, 'committed');
    fill(log, 10);
    assert.equal(log.start(TOPIC, 0), 0);
  });
  test('drops what every group has committed', () => {
    const log = logWith(2, 'committed');
    log.registerGroup('a', TOPIC, 'start');
    log.registerGroup('b', TOPIC, 'start');
    fill(log, 10);
    log.commit('a', TOPIC, 0, 7);
    assert.equal(log.start(TOPIC, 0), 0);
    log.commit('b', TOPIC, 0, 4);
    assert.equal(log.start(TOPIC, 0), 4);
    assert.deepEqual(offsets(log, 4), [4, 5, 6, 7, 8, 9]);
    assert.throws(() => offsets(log, 3), /offset 3 is trimmed: the first one kept is 4/);
    assert.throws(() => log.commit('b', TOPIC, 0, 3), /not from 4 to 10/);
    log.removeGroup('b', TOPIC);
    assert.equal(log.start(TOPIC, 0), 7);
    assert.equal(log.start(TOPIC, 1), 0);
  });
  test('keeps offsets right however reads, appends and commits alternate', () => {
    const log = logWith(1, 'committed');
    log.registerGroup('a', TOPIC, 'start');
    for (let committed = 0, round = 1; round <= 200; round++) {
      fill(log, round % 7);
      const end = log.end(TOPIC, 0);
      const expected = Array.from({ length: end - committed }, (_, i) => committed + i);
      assert.deepEqual(offsets(log, committed), expected);
      committed = Math.min(end, committed + (round % 5));
      log.commit('a', TOPIC, 0, committed);
    }
  });
});
