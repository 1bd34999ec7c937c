import type { KafkaEvent } from '@concord/events';
import { type Batch, recordsIn, splitAt } from './batch.ts';
import { toKafkaEvent } from './payload.ts';

/** Records that a mapping gave up, whole, as the function would have had them. */
export type FailedBatch = {
  readonly event: KafkaEvent;
  readonly error: Error;
  readonly condition: 'RetryAttemptsExhausted' | 'RecordAgeExceeded';
};

export type DiscardOptions = {
  readonly topic: string;
  /** Infinity: any age. */
  readonly maximumRecordAgeMs: number;
  readonly onFailure: ((failed: FailedBatch) => void | Promise<void>) | undefined;
  readonly commit: (batch: Batch) => Promise<void>;
  /** Waits before another try; false when stopped. */
  readonly backOff: (failures: number) => Promise<boolean>;
  readonly onError: (thrown: unknown) => void;
  readonly onDiscarded: (records: number) => void;
};

/** By partition the first record that is young enough; partitions without one are left out. */
function firstOfAge(batch: Batch, maximumRecordAgeMs: number): ReadonlyMap<number, number> {
  const oldestMs = Date.now() - maximumRecordAgeMs;
  const first = [...batch].map(
    ([partition, records]) => [partition, records.find((record) => record.timestampMs >= oldestMs)?.offset] as const,
  );
  return new Map(first.filter((entry): entry is readonly [number, number] => entry[1] !== undefined));
}

/** Gives records up: to the destination, until it takes them, then they are committed. */
export function createDiscard(options: DiscardOptions) {
  const { topic, maximumRecordAgeMs, onFailure, commit, backOff } = options;

  /** False when stopped before the destination took them. */
  const giveUp = async (batch: Batch, error: Error, condition: FailedBatch['condition']): Promise<boolean> => {
    const failed = { event: toKafkaEvent(topic, batch), error, condition };
    for (let failures = 1; onFailure; failures++) {
      try {
        await onFailure(failed);
        break;
      } catch (thrown) {
        options.onError(thrown);
        if (!(await backOff(failures))) return false;
      }
    }
    options.onDiscarded(recordsIn(batch));
    await commit(batch);
    return true;
  };
  /** What is left without the oldest records, undefined when stopped; behind a young one all wait for it. */
  const withoutExpired = async (batch: Batch): Promise<Batch | undefined> => {
    if (maximumRecordAgeMs === Infinity) return batch;
    const [expired, rest] = splitAt(batch, firstOfAge(batch, maximumRecordAgeMs));
    if (expired.size === 0) return batch;
    const error = new Error(`older than the maximum record age of ${maximumRecordAgeMs} ms`);
    return (await giveUp(expired, error, 'RecordAgeExceeded')) ? rest : undefined;
  };
  return { giveUp, withoutExpired };
}
