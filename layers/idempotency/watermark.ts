import { isHeartbeat, type KafkaRecord } from '@concord/events';
import { heartbeatOf } from './heartbeat.ts';

/** How far a topic-partition has been applied. It tells progress and where to resume; it never decides about a record. */
export type Progress = {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the first record of the batch. */
  readonly firstOffset: number;
  /** Offset after the last record of the batch: where a restored region resumes. */
  readonly nextOffset: number;
  /** When the last record was written to Kafka, ms since 1970: the lag is now minus this. */
  readonly sourceAtMs: number;
  /** Records without the heartbeats: those tell progress and have no outcome. */
  readonly received: number;
  /** The greatest closed timestamp that the heartbeats announce, µs since 1970; 0: none does. */
  readonly closedUs: number;
};

/**
 * The progress of each topic-partition of a batch, ordered by topic and partition: the order in which watermark rows are
 * locked. A replay sets a watermark back; that costs duplicates, which are harmless, where keeping it could cost a gap.
 */
export function progressOf(records: readonly KafkaRecord[]): Progress[] {
  const partitions = new Map<string, Open>();
  let current: Open | undefined;
  for (const record of records) {
    const { topic, partition, offset } = record;
    // Nearly always that of the record before: names are made only where it is not.
    if (current === undefined || partition !== current.partition || topic !== current.topic) {
      const name = `${topic}-${partition}`;
      current = partitions.get(name) ?? { topic, partition, first: offset, last: record, received: 0, closedUs: 0 };
      partitions.set(name, current);
    }
    if (offset < current.first) current.first = offset;
    if (offset > current.last.offset) current.last = record;
    if (isHeartbeat(record)) current.closedUs = Math.max(current.closedUs, heartbeatOf(record)?.closedUs ?? 0);
    else current.received++;
  }
  return Array.from(partitions.values(), progressOfPartition).sort(byTopicPartition);
}

/** A partition, as far as its records were looked at. */
type Open = Pick<Progress, 'topic' | 'partition'> & {
  first: number;
  last: KafkaRecord;
  received: number;
  closedUs: number;
};

const progressOfPartition = ({ topic, partition, first, last, received, closedUs }: Open): Progress => ({
  topic,
  partition,
  firstOffset: first,
  nextOffset: last.offset + 1,
  sourceAtMs: last.timestamp,
  received,
  closedUs,
});

const byTopicPartition = (a: Progress, b: Progress): number =>
  a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition;
