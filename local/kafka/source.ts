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
  /** Where a group begins that has no offsets. */
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
  const buffers = new Map(starts.map(({ partition, offset, low }) => [partition, partitionBuffer(offset, low)]));
  const partitions = [...buffers.keys()];
  const bufferOf = (partition: number): PartitionBuffer => {
    const buffer = buffers.get(partition);
    if (buffer === undefined) throw new RangeError(`topic '${topic}' has no partition ${partition}`);
    return buffer;
  };
  const isReady = (partition: number): boolean => !bufferOf(partition).isEmpty() && !bufferOf(partition).mustWait();
  const stopping = new AbortController();
  const stopped = new Promise<undefined>((resolve) =>
    stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  );
  let arrival = Promise.withResolvers<void>();
  const announce = (): void => {
    arrival.resolve();
    arrival = Promise.withResolvers();
  };
  const paused = new Map<number, () => void>();
  const onBatch = async ({ batch, resolveOffset, pause, isStale }: EachBatchPayload): Promise<void> => {
    if (isStale()) return; // fetched before its partition was set to another position
    const { partition } = batch;
    const buffer = bufferOf(partition);
    const missing = Number(batch.firstOffset()) - buffer.next();
    const isAnew = buffer.add(batch.messages.map(recordOf), Number(batch.highWatermark));
    if (isAnew) beginAnew(partition);
    else if (missing > 0) onWarning(`topic ${topic}, partition ${partition}: ${missing} records are gone unread`);
    resolveOffset(batch.lastOffset());
    if (buffer.bytes() > MAX_BUFFERED_BYTES) paused.set(partition, pause());
    announce();
  };
  const consuming = keepConsuming({
    ...options,
    partitions,
    resumeAt: (partition) => bufferOf(partition).resumeAt(),
    onBatch,
    signal: stopping.signal,
  });

  /** Undefined only when the source is stopped before. */
  const untilDone = async <T>(work: () => Promise<T>): Promise<{ readonly result: T } | undefined> => {
    for (let attempts = 0; !stopping.signal.aborted; attempts++) {
      try {
        return await Promise.race([work().then((result) => ({ result })), stopped]);
      } catch (error) {
        if (attempts === 0) onWarning(`topic ${topic}, group ${group}: ${(error as Error).message}; trying again`);
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
    return undefined;
  };
  /** Offsets that the group has to have before it handles anything: commits wait for them. */
  const beginnings = new Map<number, Promise<unknown>>();
  const beginAt = (partition: number, offset: number): void =>
    void beginnings.set(
      partition,
      untilDone(() => consuming.commit(partition, offset)),
    );
  const beginAnew = (partition: number): void => {
    onWarning(`topic ${topic} has begun anew: partition ${partition} goes on from its new beginning`);
    consuming.seek(partition, bufferOf(partition).resumeAt());
    beginAt(partition, 0);
  };
  // Otherwise the end would be another one at the next start.
  if (options.from === 'LATEST')
    for (const { partition, offset, isNew } of starts) if (isNew) beginAt(partition, offset);

  return {
    topic,
    partitions: () => partitions,
    committed: (partition) => bufferOf(partition).committed(),
    commit: async (partition, offset) => {
      const buffer = bufferOf(partition);
      await beginnings.get(partition);
      const isDone =
        !buffer.mayCommit(offset) || (await untilDone(() => consuming.commit(partition, offset))) !== undefined;
      if (isDone) buffer.committedTo(offset);
    },
    end: (partition) => bufferOf(partition).end(),
    ends: async () => {
      const seen = new Map([...buffers].map(([partition, buffer]) => [partition, buffer.next()]));
      const asked = await untilDone(() => withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic)));
      const ends = new Map((asked?.result ?? []).map(({ partition, high }) => [partition, Number(high)]));
      for (const [partition, high] of ends)
        if (bufferOf(partition).endsAt(high, seen.get(partition) ?? 0)) beginAnew(partition);
      return ends;
    },
    read: (partition, _fromOffset, maxRecords, maxBytes) => {
      const buffer = bufferOf(partition);
      if (buffer.mustWait()) return [];
      const records = buffer.take(maxRecords, maxBytes);
      if (buffer.bytes() < MAX_BUFFERED_BYTES / 2 && paused.has(partition)) {
        consuming.seek(partition, buffer.resumeAt()); // nobody looked at the topic meanwhile
        paused.get(partition)?.();
        paused.delete(partition);
      }
      return records;
    },
    wait: async (positions, signal) => {
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      while (!signal.aborted && !positions.keys().some(isReady)) await Promise.race([arrival.promise, aborted]);
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
