import type { Stamp } from '@concord/conflict';
import { type BatchResponse, isInternalTopic, type KafkaRecord, parseKafkaEvent, type Topology } from '@concord/events';
import { addTallies, beginAttempt, EMPTY_TALLY, progressOf, type Tally } from '@concord/idempotency';
import { recordsOf, type Sql } from '@concord/runtime';
import { Applier } from './applier.ts';
import { oneByOne, type Survived } from './one-by-one.ts';

export type ApplyOptions = {
  /** One connection of the role `concord_apply`. */
  readonly sql: Sql;
  readonly topology: Topology;
  /** This function's clock, µs since 1970. */
  readonly now: () => Stamp;
  /** Told what a committed batch did, and what went wrong after its commit. */
  readonly onBatch?: (tally: Tally) => void;
  readonly onWarning?: (message: string, error: unknown) => void;
};

/** Handles the records of one invocation; answers with the first failed offset of each partition, if any. */
export type Apply = (event: unknown) => Promise<BatchResponse>;

/** The apply function of one execution environment: keeps the connection and what it knows of the catalogue. */
export function createApply(options: ApplyOptions): Apply {
  const applier = new Applier(options);
  const survived: Survived = new Set();
  const together = async (records: readonly KafkaRecord[]): Promise<BatchResponse> => {
    const tallies = await applier.apply(records);
    options.onBatch?.(tallies.reduce(addTallies, EMPTY_TALLY));
    return { batchItemFailures: [] };
  };
  return async (event) => {
    const records = recordsOf(parseKafkaEvent(event));
    if (records.length === 0) return { batchItemFailures: [] };
    const progress = isInternalTopic(records[0]?.topic ?? '') ? [] : progressOf(records);
    const attempt = progress.length === 0 ? undefined : await beginAttempt(options.sql, progress);
    const alone =
      attempt !== undefined && (attempt.attempts > options.topology.limits.maxAttempts || attempt.suspects.size > 0);
    const response = alone ? await oneByOne(records, attempt, applier, options, survived) : await together(records);
    await applier.afterBatch();
    return response;
  };
}
