import { type BatchResponse, drainedRecord, type KafkaEvent, parseFailedBatch } from '@concord/events';
import { payloadsOf } from './payloads.ts';

/** Objects that Lambda wrote, oldest first of each mapping. */
export type FailedBatches = {
  /** Page by page. */
  readonly keys: () => AsyncIterable<readonly string[]>;
  /** Undefined when it is gone by now. */
  readonly read: (key: string) => Promise<string | undefined>;
  readonly remove: (key: string) => Promise<void>;
};

export type DrainOptions = {
  readonly batches: FailedBatches;
  /** Rejects when the function failed, or when `signal` ended the wait for it. */
  readonly apply: (event: KafkaEvent, signal: AbortSignal) => Promise<BatchResponse>;
  readonly remainingMs: () => number;
  readonly onWarning: (message: string, details: Readonly<Record<string, unknown>>) => void;
};

/** Objects: applied and deleted; kept because apply failed; kept because they are no batches; not looked at for want of time (at least). */
export type Drained = {
  readonly drained: number;
  readonly failed: number;
  readonly foreign: number;
  readonly left: number;
  /** Of what was drained. */
  readonly records: number;
};

/** An object is begun only with so much time left: reading it, applying a payload or two, and deleting it. */
const BEGIN_MS = 15_000;
/** Kept for the answer and the log. */
const RESERVE_MS = 2000;

/** Feeds given-up batches to apply, each until no record of it failed, and deletes them then. Stops before its own time is up. */
export async function drain(options: DrainOptions): Promise<Drained> {
  const counts = { drained: 0, failed: 0, foreign: 0, left: 0, records: 0 };
  for await (const keys of options.batches.keys()) {
    for (const key of keys) {
      if (options.remainingMs() < BEGIN_MS) {
        counts.left++;
        continue;
      }
      const { outcome, records } = await drainObject(key, options);
      if (outcome !== 'gone') counts[outcome]++;
      counts.records += records;
    }
    if (options.remainingMs() < RESERVE_MS) break;
  }
  return counts;
}

type ObjectOutcome = { readonly outcome: 'drained' | 'failed' | 'foreign' | 'gone'; readonly records: number };

async function drainObject(key: string, options: DrainOptions): Promise<ObjectOutcome> {
  const { batches, onWarning } = options;
  const without = (outcome: ObjectOutcome['outcome'], reason: string): ObjectOutcome => {
    onWarning('a given-up batch stays in the bucket', { key, outcome, reason });
    return { outcome, records: 0 };
  };
  try {
    const text = await batches.read(key);
    if (text === undefined) return { outcome: 'gone', records: 0 };
    const batch = parseFailedBatch(text);
    if (!batch.ok) return without('foreign', batch.reason);
    const failure = await applyAll(batch.records.map(drainedRecord), options);
    if (failure !== undefined) return without('failed', failure);
    await batches.remove(key);
    return { outcome: 'drained', records: batch.records.length };
  } catch (error) {
    return without('failed', (error as Error).message);
  }
}

/** In order, one after the other. Returns why it stopped, or undefined. What was applied is applied again next time. */
async function applyAll(
  records: readonly ReturnType<typeof drainedRecord>[],
  { apply, remainingMs }: DrainOptions,
): Promise<string | undefined> {
  for (const payload of payloadsOf(records)) {
    const leftMs = remainingMs() - RESERVE_MS;
    if (leftMs <= 0) return 'no time left';
    const { batchItemFailures } = await apply(payload, AbortSignal.timeout(leftMs));
    if (batchItemFailures.length > 0) return `apply gave back ${JSON.stringify(batchItemFailures)}`;
  }
  return undefined;
}
