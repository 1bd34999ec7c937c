import type { KafkaEvent } from '@concord/events';
import { type Batch, byPartition, halves, recordsIn, splitAt } from './batch.ts';
import { readBatchResponse } from './batch-response.ts';
import { createDiscard, type FailedBatch } from './discard.ts';
import type { Gate } from './gate.ts';
import { toKafkaEvent } from './payload.ts';

export type DeliveryOptions = {
  readonly topic: string;
  /** Rejects as the function failed; what it resolves to counts only with `reportBatchItemFailures`. */
  readonly invoke: (event: KafkaEvent) => Promise<unknown>;
  /** Infinity: for ever. */
  readonly maximumRetryAttempts: number;
  /** Infinity: any age. */
  readonly maximumRecordAgeMs: number;
  readonly bisectBatchOnFunctionError: boolean;
  readonly reportBatchItemFailures: boolean;
  readonly onFailure: ((failed: FailedBatch) => void | Promise<void>) | undefined;
  readonly retryDelay: { readonly minMs: number; readonly maxMs: number };
  readonly commit: (batch: Batch) => Promise<void>;
};

export type DeliveryCounts = {
  /** Invocations that the function answered without an error. */
  batches: number;
  /** Invocations with records that had been in a failed one. */
  retries: number;
  discardedRecords: number;
  lastError: Error | undefined;
};

type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'partial'; readonly done: Batch; readonly rest: Batch; readonly error: Error }
  | { readonly kind: 'failed'; readonly error: Error; readonly mayBisect: boolean };

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

async function attempt(batch: Batch, options: DeliveryOptions): Promise<Outcome> {
  let response: unknown;
  try {
    response = await options.invoke(toKafkaEvent(options.topic, batch));
  } catch (error) {
    return { kind: 'failed', error: toError(error), mayBisect: options.bisectBatchOnFunctionError };
  }
  if (!options.reportBatchItemFailures) return { kind: 'done' };
  const verdict = readBatchResponse(response, options.topic, batch);
  if (verdict.kind === 'refused') return { kind: 'failed', error: verdict.error, mayBisect: false };
  if (verdict.failures.size === 0) return { kind: 'done' };
  const [done, rest] = splitAt(batch, verdict.failures);
  return { kind: 'partial', done, rest, error: new Error(`the function reported ${recordsIn(rest)} records to retry`) };
}

/** A batch with how often in a row an invocation with its first record failed, and the latest error. */
type Task = { readonly batch: Batch; readonly failures: number; readonly error?: Error; readonly hasTurn?: boolean };

/** Halves keep their order; parts of different partitions go their own ways. */
type Next = { readonly tasks: readonly Task[]; readonly inOrder: boolean };

function afterFailure(task: Task, outcome: Exclude<Outcome, { kind: 'done' }>): Next {
  const { batch, failures } = task;
  const { error } = outcome;
  const again = (part: Batch, count: number): Task => ({ batch: part, failures: count, error });
  if (outcome.kind === 'partial') {
    const parts = byPartition(outcome.rest);
    // Where records were done, another one is first now, and has failed once.
    const failed = (part: Batch): number => (part.keys().some((key) => outcome.done.has(key)) ? 1 : failures + 1);
    return { tasks: parts.map((part) => again(part, failed(part))), inOrder: false };
  }
  if (!outcome.mayBisect || recordsIn(batch) === 1) return { tasks: [again(batch, failures + 1)], inOrder: true };
  const parts = batch.size > 1 ? byPartition(batch) : halves(batch);
  return { tasks: parts.map((part) => again(part, failures)), inOrder: batch.size === 1 };
}

/**
 * Delivers batches that have a turn at the gate until they are committed, given up, or the gate is stopped; `deliver`
 * resolves to false only if it was stopped. A record is committed only when all earlier ones of its partition are.
 * Splitting a batch is not a retry.
 */
export function createDelivery(options: DeliveryOptions, gate: Gate, counts: DeliveryCounts) {
  const { commit, retryDelay } = options;
  const backOff = (failures: number): Promise<boolean> =>
    gate.sleep(Math.min(retryDelay.maxMs, retryDelay.minMs * 2 ** (failures - 1)));
  const onError = (thrown: unknown): void => {
    counts.lastError = toError(thrown);
  };
  const onDiscarded = (records: number): void => {
    counts.discardedRecords += records;
  };
  const { giveUp, withoutExpired } = createDiscard({ ...options, backOff, onError, onDiscarded });

  /** Takes a turn for the batch, or tells whether its delivery is over already. */
  const admit = async ({ batch, failures, error, hasTurn = false }: Task): Promise<Batch | boolean> => {
    if (error && failures > options.maximumRetryAttempts) return giveUp(batch, error, 'RetryAttemptsExhausted');
    if (failures > 0 && !(await backOff(failures))) return false;
    const young = await withoutExpired(batch);
    if (young?.size) return hasTurn || (await gate.enter()) ? young : false;
    if (hasTurn) gate.leave();
    return young !== undefined;
  };
  /** One invocation: true when nothing is left to do, false when stopped, or what has to follow. */
  const step = async (task: Task): Promise<Next | boolean> => {
    const batch = await admit(task);
    if (typeof batch === 'boolean') return batch;
    if (task.error) counts.retries++;
    const outcome = await attempt(batch, options).finally(gate.leave);
    if (outcome.kind !== 'failed') {
      counts.batches++;
      await commit(outcome.kind === 'done' ? batch : outcome.done);
    }
    if (outcome.kind === 'done') return true;
    onError(outcome.error);
    return afterFailure({ ...task, batch }, outcome);
  };
  const deliverAll = async ({ tasks, inOrder }: Next): Promise<boolean> => {
    if (!inOrder) return (await Promise.all(tasks.map(deliver))).every((isOver) => isOver);
    for (const task of tasks) if (!(await deliver(task))) return false;
    return true;
  };
  const deliver = async (first: Task): Promise<boolean> => {
    for (let task = first; ; ) {
      const next = await step(task);
      if (typeof next === 'boolean') return next;
      const [only, ...others] = next.tasks;
      if (!only || others.length > 0) return deliverAll(next);
      task = only;
    }
  };
  return { deliver: (batch: Batch): Promise<boolean> => deliver({ batch, failures: 0, hasTurn: true }) };
}
