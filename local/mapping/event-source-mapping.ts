import { setTimeout as delay } from 'node:timers/promises';
import type { Batch } from './batch.ts';
import { createDelivery, type DeliveryCounts, type DeliveryOptions } from './delivery.ts';
import { createGate, type Gate } from './gate.ts';
import { type BatchLimits, gatherer } from './gather.ts';
import { type Positions, positionsOf } from './positions.ts';
import type { Source } from './source.ts';

export type { FailedBatch } from './discard.ts';
export { logSource, type Source } from './source.ts';

/** Lambda's own names, and defaults where it has them. */
export type MappingOptions = Pick<DeliveryOptions, 'invoke'> & {
  /** One topic per mapping. */
  readonly source: Source;
  /** 1 to 10,000 records; default 100. */
  readonly batchSize?: number;
  /** How long a batch may gather, from its first record on; default 0. */
  readonly batchWindowMs?: number;
  /** Of payload, base64 and property names included; default Lambda's 6 MB. */
  readonly maxBatchBytes?: number;
  /** Invocations at a time, each with partitions of its own; default 5, as one provisioned poller. */
  readonly concurrency?: number;
  /** Default -1, for ever; but 10 if there is an `onFailure`, as on AWS. */
  readonly maximumRetryAttempts?: number;
  /** Default -1, any age. */
  readonly maximumRecordAgeMs?: number;
  readonly bisectBatchOnFunctionError?: boolean;
  readonly reportBatchItemFailures?: boolean;
  /** Takes what is given up. Without it such records are dropped. It is called again, with back-off, until it succeeds. */
  readonly onFailure?: DeliveryOptions['onFailure'];
  /** Doubles from retry to retry; default 100 ms to 10 s. */
  readonly retryDelay?: DeliveryOptions['retryDelay'];
};

export type MappingStatus = {
  readonly lagRecords: number;
  /** Invocations under way. */
  readonly inFlight: number;
  readonly batches: number;
  readonly retries: number;
  readonly discardedRecords: number;
  readonly lastError: Error | undefined;
};

export type Mapping = {
  /** Begins no invocation any more, retries included; one under way ends and is committed. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Waits for invocations under way and commits them; what was not handled comes again with the next mapping. */
  readonly stop: () => Promise<void>;
  /** Resolves when all that is in the topic now has been committed. Rejects when the mapping stops before. */
  readonly drained: () => Promise<void>;
  readonly status: () => MappingStatus;
};

const LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024;
const LAMBDA_BATCH_SIZE = 10_000;
/** How long a mapping that stops waits for what is under way before it gives its source up. */
const COMMIT_LIMIT_MS = 5000;
/** What Lambda makes of infinite retries where there is an on-failure destination. */
const RETRIES_WITH_DESTINATION = 10;

function checkedLimits({
  batchSize = 100,
  batchWindowMs = 0,
  maxBatchBytes = LAMBDA_PAYLOAD_BYTES,
}: MappingOptions): BatchLimits {
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > LAMBDA_BATCH_SIZE)
    throw new RangeError(`batchSize is 1 to ${LAMBDA_BATCH_SIZE}, not ${batchSize}`);
  return { batchSize, batchWindowMs, maxBatchBytes };
}

function deliveryOptions(options: MappingOptions, positions: Positions): DeliveryOptions {
  const { maximumRetryAttempts = -1, maximumRecordAgeMs = -1, onFailure } = options;
  const forEver = onFailure ? RETRIES_WITH_DESTINATION : Infinity;
  return {
    topic: options.source.topic,
    invoke: options.invoke,
    maximumRetryAttempts: maximumRetryAttempts < 0 ? forEver : maximumRetryAttempts,
    maximumRecordAgeMs: maximumRecordAgeMs < 0 ? Infinity : maximumRecordAgeMs,
    bisectBatchOnFunctionError: options.bisectBatchOnFunctionError ?? false,
    reportBatchItemFailures: options.reportBatchItemFailures ?? false,
    onFailure,
    retryDelay: options.retryDelay ?? { minMs: 100, maxMs: 10_000 },
    commit: positions.commit,
  };
}

/** Gathers and delivers until the gate is stopped, then waits for what is under way. */
async function poll(
  gather: () => Promise<Batch | undefined>,
  deliver: (batch: Batch) => Promise<unknown>,
): Promise<void> {
  const underWay = new Set<Promise<unknown>>();
  for (let batch = await gather(); batch; batch = await gather()) {
    const delivery = deliver(batch).finally(() => underWay.delete(delivery));
    underWay.add(delivery);
  }
  await Promise.all(underWay);
}

/** What the source itself throws, at a read or a commit, stops the mapping: nobody knows what is committed then. */
function breaker(gate: Gate, counts: DeliveryCounts) {
  let broken: { readonly error: Error } | undefined;
  const trip = (thrown: unknown): void => {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    broken ??= { error };
    counts.lastError = error;
    gate.stop();
  };
  return { trip, error: (): Error | undefined => broken?.error };
}

/**
 * Lambda's event source mapping for Kafka: reads one topic, invokes a function with batches and commits what it handled.
 * A batch goes when it is full by records, by bytes of payload, or when its window is over; it may mix partitions, and of
 * each partition at most one batch is under way. What the function throws on, or reports as failed, blocks its partitions
 * and is retried with back-off, in order, until it succeeds or is given up by number of attempts or age.
 *
 * Not as on AWS: a record that alone exceeds the payload limit is delivered alone. Where AWS says nothing: the partitions of
 * a batch that fails in part, or is bisected, are retried apart from each other, so that one cannot hold up the others.
 *
 * Rejects with a RangeError for a batch size that Lambda would not take.
 */
export async function startMapping(options: MappingOptions): Promise<Mapping> {
  const limits = checkedLimits(options);
  const { source, concurrency = 5 } = options;
  const counts: DeliveryCounts = { batches: 0, retries: 0, discardedRecords: 0, lastError: undefined };
  const gate = createGate(concurrency);
  const { trip, error } = breaker(gate, counts);
  const positions = positionsOf(source, gate.announce);
  const { deliver } = createDelivery(deliveryOptions(options, positions), gate, counts);
  const polling = poll(gatherer(source, positions, gate, limits), (batch) => deliver(batch).catch(trip)).catch(trip);

  return {
    pause: gate.pause,
    resume: gate.resume,
    stop: async () => {
      gate.stop();
      // A commit may be waiting for a broker that is away; only the end of its source ends that.
      await Promise.race([polling, delay(COMMIT_LIMIT_MS, undefined, { ref: false })]);
      await source.stop();
      await polling;
      const broken = error();
      if (broken) throw broken;
    },
    drained: async () => {
      const ends = await source.ends();
      while (!positions.covers(ends)) {
        if (gate.isStopped()) throw error() ?? new Error('the mapping was stopped');
        await gate.change();
      }
    },
    status: () => ({ lagRecords: positions.lag(), inFlight: gate.inside(), ...counts }),
  };
}
