import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchHandler } from 'kafkajs';
import type { KafkaSourceOptions } from './source.ts';
import type { Start } from './starting-offsets.ts';

/** A consumer that is made again whenever it crashes. */
export type Consuming = {
  /** Rejects while there is no consumer that could. */
  readonly commit: (partition: number, offset: number) => Promise<void>;
  /** Resolves when the consumer has left its group. */
  readonly ended: Promise<void>;
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

/** Hands every batch to `onBatch` until the signal comes. Offsets are committed by whoever handled the records. */
export function keepConsuming(
  options: KafkaSourceOptions,
  starts: readonly Start[],
  onBatch: EachBatchHandler,
  signal: AbortSignal,
): Consuming {
  const { kafka, topic, group, onWarning } = options;
  let current: Consumer | undefined;
  let isSettled = false;

  /** A group that begins at the end has no offset there until one is committed. */
  const settleNew = async (consumer: Consumer): Promise<void> => {
    const offsets = starts
      .filter(({ isNew }) => isNew)
      .map(({ partition, offset }) => ({ topic, partition, offset: String(offset) }));
    if (isSettled || offsets.length === 0) return;
    for (const offset of offsets) consumer.seek(offset);
    await consumer.commitOffsets(offsets);
    isSettled = true;
  };
  const consumeOnce = async (): Promise<void> => {
    const consumer = kafka.consumer({
      groupId: group,
      maxWaitTimeInMs: MAX_FETCH_WAIT_MS,
      maxBytesPerPartition: MAX_FETCH_BYTES,
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      // A restart of the broker is ridden out as the same member: a new one would wait until the old one is forgotten.
      retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 500, restartOnFailure: async () => false },
    });
    const ended = Promise.withResolvers<void>();
    consumer.on('consumer.crash', ({ payload }) => ended.reject(payload.error));
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    ended.promise.catch(() => undefined); // it may come while the consumer is still connecting
    try {
      await consumer.connect();
      // Where the topic does not hold the group's offset any more, it has begun anew: from its beginning then.
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: starts.length,
        eachBatch: onBatch,
      });
      if (options.from === 'LATEST') await settleNew(consumer);
      current = consumer;
      await ended.promise;
    } finally {
      current = undefined;
      await Promise.race([consumer.disconnect(), delay(GOODBYE_LIMIT_MS, undefined, { ref: false })]).catch(
        () => undefined,
      );
    }
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await consumeOnce().catch((error: Error) => onWarning(`topic ${topic}, group ${group}: ${error.message}`));
      if (!signal.aborted) await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  const ended = run();
  return {
    ended,
    commit: async (partition, offset) => {
      if (current === undefined) throw new Error('the consumer is not connected');
      await current.commitOffsets([{ topic, partition, offset: String(offset) }]);
    },
  };
}
