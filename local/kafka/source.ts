import { setTimeout as delay } from 'node:timers/promises';
import type { EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';
import type { Source, SourceRecord, StartingPosition } from '../mapping/source.ts';
import { keepConsuming } from './consuming.ts';
import { type PartitionBuffer, partitionBuffer } from './partition-buffer.ts';
import { startingOffsets } from './starting-offsets.ts';
import { withAdmin } from './topics.ts';

export type KafkaSourceOptions = {
  readonly kafka: Kafka;
  readonly topic: string;
  /** A consumer group of this source's own. */
  readonly group: string;
  /** Where a group begins that has no offsets, and goes on when its offsets are gone from the topic. */
  readonly from: StartingPosition;
  /** What the source met and mended. */
  readonly onWarning: (message: string) => void;
};

/** Buffered per partition; beyond this its fetching pauses. */
const MAX_BUFFERED_BYTES = 8 * 1_048_576;
const RETRY_MS = 200;

/**
 * One topic as a consumer group reads it. A broker that is away is waited for, whatever the call; records that a rebalance
 * brings again are dropped, and a topic that was deleted and created again is read from its new beginning, with a warning.
 * Rejects when the topic or the group cannot be read at all.
 */
export async function kafkaSource(options: KafkaSourceOptions): Promise<Source> {
  const { kafka, topic, group, onWarning } = options;
  const starts = await startingOffsets(options);
  const buffers = new Map(starts.map(({ partition, offset }) => [partition, partitionBuffer(offset)]));
  const partitions = [...buffers.keys()];
  const bufferOf = (partition: number): PartitionBuffer => {
    const buffer = buffers.get(partition);
    if (buffer === undefined) throw new RangeError(`topic '${topic}' has no partition ${partition}`);
    return buffer;
  };
  const stopping = new AbortController();
  let arrival = Promise.withResolvers<void>();
  const announce = (): void => {
    arrival.resolve();
    arrival = Promise.withResolvers();
  };
  const warnAnew = (partition: number): void =>
    onWarning(`topic ${topic} has begun anew: partition ${partition} goes on from its new beginning`);
  const onBatch = async ({ batch, resolveOffset, pause }: EachBatchPayload): Promise<void> => {
    const buffer = bufferOf(batch.partition);
    if (buffer.add(batch.messages.map(recordOf), Number(batch.highWatermark))) warnAnew(batch.partition);
    resolveOffset(batch.lastOffset());
    if (buffer.bytes() > MAX_BUFFERED_BYTES) paused.set(batch.partition, pause());
    announce();
  };
  const paused = new Map<number, () => void>();
  const consuming = keepConsuming(options, starts, onBatch, stopping.signal);

  /** Undefined only when the source is stopped before. */
  const untilDone = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    for (let attempts = 0; !stopping.signal.aborted; attempts++) {
      try {
        return await work();
      } catch (error) {
        if (attempts === 0) onWarning(`topic ${topic}, group ${group}: ${(error as Error).message}; trying again`);
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
    return undefined;
  };
  return {
    topic,
    partitions: () => partitions,
    committed: (partition) => bufferOf(partition).committed(),
    commit: async (partition, offset) => {
      const buffer = bufferOf(partition);
      if (!buffer.mayCommit(offset)) return;
      await untilDone(() => consuming.commit(partition, offset));
      buffer.committedTo(offset);
    },
    end: (partition) => bufferOf(partition).end(),
    ends: async () => {
      const seen = new Map([...buffers].map(([partition, buffer]) => [partition, buffer.next()]));
      const ends = await untilDone(() => withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic)));
      for (const { partition, high } of ends ?? [])
        if (bufferOf(partition).endsAt(Number(high), seen.get(partition) ?? 0)) warnAnew(partition);
      return new Map((ends ?? []).map(({ partition, high }) => [partition, Number(high)]));
    },
    read: (partition, _fromOffset, maxRecords, maxBytes) => {
      const buffer = bufferOf(partition);
      const records = buffer.take(maxRecords, maxBytes);
      if (buffer.bytes() < MAX_BUFFERED_BYTES / 2) {
        paused.get(partition)?.();
        paused.delete(partition);
      }
      return records;
    },
    wait: async (positions, signal) => {
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      while (!signal.aborted && positions.keys().every((partition) => bufferOf(partition).isEmpty()))
        await Promise.race([arrival.promise, aborted]);
    },
    stop: async () => {
      stopping.abort();
      await consuming.ended;
    },
  };
}

const recordOf = ({ offset, timestamp, key, value }: KafkaMessage): SourceRecord => ({
  offset: Number(offset),
  timestampMs: Number(timestamp),
  key,
  value,
});
