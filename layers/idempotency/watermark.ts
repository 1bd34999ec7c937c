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
  const partitions = new Map<string, KafkaRecord[]>();
  let current: KafkaRecord[] = [];
  for (const record of records) {
    // Nearly always that of the record before: names are made only where it is not.
    if (record.partition !== current[0]?.partition || record.topic !== current[0].topic) {
      const name = `${record.topic}-${record.partition}`;
      current = partitions.get(name) ?? [];
      partitions.set(name, current);
    }
    current.push(record);
  }
  return [...partitions.values()].map(progressOfPartition).sort(byTopicPartition);
}

function progressOfPartition(records: readonly KafkaRecord[]): Progress {
  let [first, last] = [records[0] as KafkaRecord, records[0] as KafkaRecord];
  let [heartbeats, closedUs] = [0, 0];
  for (const record of records) {
    if (record.offset < first.offset) first = record;
    if (record.offset > last.offset) last = record;
    if (!isHeartbeat(record)) continue;
    heartbeats++;
    closedUs = Math.max(closedUs, heartbeatOf(record)?.closedUs ?? 0);
  }
  return {
    topic: first.topic,
    partition: first.partition,
    firstOffset: first.offset,
    nextOffset: last.offset + 1,
    sourceAtMs: last.timestamp,
    received: records.length - heartbeats,
    closedUs,
  };
}

const byTopicPartition = (a: Progress, b: Progress): number =>
  a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition;
