import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type PartitionBuffer, partitionBuffer } from '../../local/kafka/partition-buffer.ts';
import type { SourceRecord } from '../../local/mapping/source.ts';

/** Records `from` to `to` − 1 of a topic that was made at `bornMs`. */
const records = (from: number, to: number, bornMs = 1000): SourceRecord[] =>
  Array.from({ length: to - from }, (_, index) => ({
    offset: from + index,
    timestampMs: bornMs + from + index,
    key: null,
    value: Buffer.alloc(10),
  }));
const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const takeAll = (buffer: PartitionBuffer): number[] => buffer.take(NO_LIMIT, NO_LIMIT).map(({ offset }) => offset);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

describe('the records of a partition', () => {
  test('are taken once, in order, within the limits, but at least one', () => {
    const buffer = partitionBuffer(5);
    assert.equal(buffer.add(records(5, 9), 20), false);
    assert.equal(buffer.bytes(), 40);
    assert.deepEqual(buffer.take(2, NO_LIMIT).length, 2);
    assert.deepEqual(
      buffer.take(NO_LIMIT, 1).map(({ offset }) => offset),
      [7],
    );
    assert.deepEqual(takeAll(buffer), [8]);
    assert.ok(buffer.isEmpty());
    assert.equal(buffer.bytes(), 0);
    assert.equal(buffer.end(), 20);
  });

  test('that a rebalance brings again are dropped, whether they wait, are in flight, or were just committed', () => {
    const buffer = partitionBuffer(0);
    buffer.add(records(0, 10), 10);
    assert.deepEqual(
      buffer.take(4, NO_LIMIT).map(({ offset }) => offset),
      range(0, 4),
    );
    assert.equal(buffer.add(records(0, 12), 12), false);
    assert.deepEqual(takeAll(buffer), range(4, 12));
    buffer.committedTo(12);
    assert.equal(buffer.add(records(0, 13), 13), false, 'the fetch was under way while the commit was');
    assert.deepEqual(takeAll(buffer), [12]);
  });

  test('with gaps, as compaction and transactions leave them, are all there', () => {
    const buffer = partitionBuffer(3);
    buffer.add([...records(3, 4), ...records(8, 10)], 12);
    assert.deepEqual(takeAll(buffer), [3, 8, 9]);
    assert.ok(buffer.mayCommit(10));
  });
});

describe('a topic that begins anew', () => {
  const handled = (upTo: number): PartitionBuffer => {
    const buffer = partitionBuffer(0);
    buffer.add(records(0, upTo), upTo);
    takeAll(buffer);
    buffer.committedTo(upTo);
    return buffer;
  };

  test('is known by its offsets', () => {
    const buffer = handled(10);
    assert.equal(buffer.add(records(0, 3, 9000), 3), true);
    assert.deepEqual(takeAll(buffer), range(0, 3));
    assert.equal(buffer.add(records(3, 5, 9000), 5), false);
    assert.deepEqual(takeAll(buffer), range(3, 5));
  });

  test('is known by the times of its records where it has grown as long as the former one', () => {
    const buffer = partitionBuffer(0);
    buffer.add(records(0, 10), 10);
    assert.equal(buffer.add(records(0, 20, 9000), 20), true);
    assert.deepEqual(takeAll(buffer), range(0, 10), 'what the former topic brought goes first, by itself');
    assert.equal(buffer.mayCommit(10), false);
    assert.deepEqual(takeAll(buffer), range(0, 20));
  });

  test('is known by its end, when that is asked for before anything is fetched', () => {
    const buffer = handled(10);
    assert.equal(buffer.endsAt(2, buffer.next()), true);
    assert.equal(buffer.committed(), 0);
    assert.equal(buffer.end(), 2);
    assert.equal(buffer.add(records(0, 2, 9000), 2), false);
    assert.deepEqual(takeAll(buffer), [0, 1]);
  });

  test('is not seen in an end that was asked for before more records came', () => {
    const buffer = handled(10);
    const seen = buffer.next();
    buffer.add(records(10, 15), 15);
    assert.equal(buffer.endsAt(12, seen), false);
    assert.equal(buffer.end(), 15);
    assert.deepEqual(takeAll(buffer), range(10, 15));
  });

  test('never gets an offset of the former one committed', () => {
    const buffer = partitionBuffer(0);
    buffer.add(records(0, 10), 10);
    takeAll(buffer);
    buffer.add(records(0, 20, 9000), 20);
    assert.equal(buffer.mayCommit(10), false);
    buffer.committedTo(10);
    assert.equal(buffer.committed(), 0);
    buffer.take(4, NO_LIMIT);
    assert.equal(buffer.mayCommit(10), false);
    assert.ok(buffer.mayCommit(4));
  });
});
