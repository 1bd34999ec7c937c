import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import { addTallies, balances, EMPTY_TALLY, progressOf, recordName, type Tally, tallyOf } from '@concord/idempotency';

describe('the ledger', () => {
  const tally: Tally = { received: 10, applied: 4, superseded: 3, held: 1, parked: 2, conflicts: 2 };
  test('I6 balances when every record has one outcome', () => {
    assert.ok(balances(tally) && balances(EMPTY_TALLY));
    assert.ok(!balances({ ...tally, applied: 3 }) && !balances({ ...tally, parked: 3 }));
    assert.ok(balances({ ...tally, conflicts: 99 }));
  });
  test('takes what is no exception as applied', () => {
    const { received, applied, ...exceptions } = tally;
    assert.deepEqual(tallyOf(received, exceptions), tally);
    assert.equal(applied, 4);
    assert.equal(tallyOf(6, exceptions).applied, 0);
  });
  test('refuses more exceptions than records', () => {
    assert.throws(() => tallyOf(1, { superseded: 1, held: 0, parked: 1, conflicts: 0 }), /^Error: 1 records have more/);
  });
  test('adds count by count', () => {
    assert.deepEqual(addTallies(tally, EMPTY_TALLY), tally);
    const twice = { received: 20, applied: 8, superseded: 6, held: 2, parked: 4, conflicts: 4 };
    assert.deepEqual(addTallies(tally, tally), twice);
  });
});

const record = (topic: string, partition: number, offset: number): KafkaRecord => ({
  topic,
  partition,
  offset,
  timestamp: offset * 1000,
  timestampType: 'CREATE_TIME',
});

describe('the progress of a batch', () => {
  test('of nothing is nothing', () => assert.deepEqual(progressOf([]), []));
  test('is from the first offset to after the last, whatever the order', () => {
    const place = { topic: 'cdc.a', partition: 0, firstOffset: 5, nextOffset: 10 };
    const expected = [{ ...place, sourceAtMs: 9000, received: 3, closedUs: 0 }];
    assert.deepEqual(progressOf([5, 7, 9].map((at) => record('cdc.a', 0, at))), expected);
    assert.deepEqual(progressOf([9, 5, 7].map((at) => record('cdc.a', 0, at))), expected);
  });
  test('is ordered by topic, then by partition as a number: the order of locks', () => {
    const records = [record('cdc.b', 0, 1), record('cdc.a', 10, 1), record('cdc.a', 2, 1), record('cdc.a', 10, 2)];
    assert.deepEqual(
      progressOf(records).map(({ topic, partition, received }) => [topic, partition, received]),
      [
        ['cdc.a', 2, 1],
        ['cdc.a', 10, 2],
        ['cdc.b', 0, 1],
      ],
    );
  });
  test('counts a record that is delivered twice twice', () => {
    const [progress] = progressOf([record('cdc.a', 0, 0), record('cdc.a', 0, 0)]);
    assert.deepEqual([progress?.received, progress?.firstOffset, progress?.nextOffset], [2, 0, 1]);
  });
  test('keeps partitions apart whose names could run together', () => {
    assert.equal(progressOf([record('cdc.a-1', 2, 0), record('cdc.a', 12, 0), record('cdc.a-1', 22, 0)]).length, 3);
  });
});

test('a record has a name among all partitions', () => {
  assert.equal(recordName('cdc.eu-west-1', 3, 17), 'cdc.eu-west-1-3@17');
});
