import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchHandler } from 'kafkajs';
import type { KafkaSourceOptions } from './source.ts';

/** A consumer that is made again whenever it crashes. */
export type Consuming = {
  /** Rejects while there is no member of the group that could. */
  readonly commit: (partition: number, offset: number) => Promise<void>;
  /** Fetches the partition from there on. Nothing happens before the consumer is a member: then it asks for all positions. */
  readonly seek: (partition: number, offset: number) => void;
  /** Resolves when the consumer has left its group, or could not within a second. */
  readonly ended: Promise<void>;
};

export type ConsumingOptions = Pick<KafkaSourceOptions, 'kafka' | 'topic' | 'group' | 'onWarning'> & {
  readonly partitions: readonly number[];
  /** Where to fetch a partition from when the consumer joins, and after a fetch that failed. */
  readonly resumeAt: (partition: number) => number;
  /** Offsets are committed by whoever handled the records. */
  readonly onBatch: EachBatchHandler;
  readonly signal: AbortSignal;
};

/** How long a fetch waits at the broker for a record; it comes back at the first one. */
const MAX_FETCH_WAIT_MS = 250;
/** One record has to fit: a topic's `max.message.bytes` is below this. */
const MAX_FETCH_BYTES = 8 * 1_048_576;
/** The least that brokers allow: so soon is a member forgotten that died. */
const SESSION_TIMEOUT_MS = 6000;
const HEARTBEAT_MS = 1000;
const RETRY_MS = 200;
/** A client whose broker is away cannot even say goodbye. */
const GOODBYE_LIMIT_MS = 1000;

const newConsumer = ({ kafka, group }: ConsumingOptions): Consumer =>
  kafka.consumer({
    groupId: group,
    maxWaitTimeInMs: MAX_FETCH_WAIT_MS,
    maxBytesPerPartition: MAX_FETCH_BYTES,
    sessionTimeout: SESSION_TIMEOUT_MS,
    rebalanceTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_MS,
    // A restart of the broker is ridden out as the same member: a new one would wait until the old one is forgotten.
    retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 500, restartOnFailure: async () => false },
  });

/**
 * Sets every position anew where the topic may have become another one unnoticed: when the group is joined, and before the
 * fetch that follows a failed one, which is one that began and did not end.
 */
function keepPositions(consumer: Consumer, { topic, partitions, resumeAt }: ConsumingOptions): void {
  const seekAll = (): void => {
    for (const partition of partitions) consumer.seek({ topic, partition, offset: String(resumeAt(partition)) });
  };
  const fetching = new Set<number>();
  consumer.on('consumer.group_join', seekAll);
  consumer.on('consumer.fetch_start', ({ payload: { nodeId } }) => {
    if (fetching.has(nodeId)) seekAll();
    fetching.add(nodeId);
  });
  consumer.on('consumer.fetch', ({ payload: { nodeId } }) => void fetching.delete(nodeId));
}

/** kafkajs resolves a commit that it left undone because the consumer was ending: only its event tells which was done. */
function commitsOf(consumer: Consumer, topic: string): (partition: number, offset: string) => Promise<void> {
  const done = new Map<number, string>();
  consumer.on('consumer.commit_offsets', ({ payload }) => {
    for (const { partitions } of payload.topics)
      for (const { partition, offset } of partitions) done.set(partition, String(offset));
  });
  return async (partition, offset) => {
    done.delete(partition);
    await consumer.commitOffsets([{ topic, partition, offset }]);
    if (done.get(partition) !== offset) throw new Error('the consumer is not connected');
  };
}

/** Hands every batch to `onBatch` until the signal comes. */
export function keepConsuming(options: ConsumingOptions): Consuming {
  const { topic, group, partitions, onBatch, onWarning, signal } = options;
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  let member: { readonly consumer: Consumer; readonly commit: ReturnType<typeof commitsOf> } | undefined;

  const begin = async (consumer: Consumer): Promise<void> => {
    await consumer.connect();
    if (!signal.aborted) await consumer.subscribe({ topic, fromBeginning: true });
    if (!signal.aborted)
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: partitions.length,
        eachBatch: onBatch,
      });
  };
  const consumeOnce = async (): Promise<void> => {
    const consumer = newConsumer(options);
    const commit = commitsOf(consumer, topic);
    consumer.on('consumer.group_join', () => {
      member = { consumer, commit };
    });
    keepPositions(consumer, options);
    const crashed = new Promise<never>((_, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
    });
    const begun = begin(consumer);
    try {
      await Promise.race([begun.then(() => crashed), crashed, stopped]);
    } finally {
      member = undefined;
      // One that is still trying to join would otherwise become a member that nobody knows of.
      const goodbye = begun.catch(() => undefined).then(() => consumer.disconnect());
      await Promise.race([goodbye.catch(() => undefined), delay(GOODBYE_LIMIT_MS, undefined, { ref: false })]);
    }
  };
  const consume = async (): Promise<void> => {
    while (!signal.aborted) {
      await consumeOnce().catch((error: Error) => onWarning(`topic ${topic}, group ${group}: ${error.message}`));
      if (!signal.aborted) await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  return {
    ended: consume(),
    commit: async (partition, offset) => {
      if (member === undefined) throw new Error('the consumer is not connected');
      await member.commit(partition, String(offset));
    },
    seek: (partition, offset) => member?.consumer.seek({ topic, partition, offset: String(offset) }),
  };
}
