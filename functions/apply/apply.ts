import type { Stamp } from '@concord/conflict';
import { type BatchResponse, isInternalTopic, type KafkaRecord, parseKafkaEvent, type Topology } from '@concord/events';
import { type Attempt, addTallies, beginAttempt, EMPTY_TALLY, progressOf, type Tally } from '@concord/idempotency';
import { isLostConnection, recordsOf, type Sql } from '@concord/runtime';
import type { Ahead } from './ahead.ts';
import { Applier } from './applier.ts';
import { type Clock, type Deadline, deadlineOf, timed, within } from './deadline.ts';
import { failuresOf } from './failures.ts';
import { oneByOne, type Survived } from './one-by-one.ts';

export type ApplyOptions = {
  /** One connection of the role `concord_apply`. */
  readonly sql: Sql;
  /** Makes sure of the connection before an invocation uses it. */
  readonly wake?: () => Promise<void>;
  readonly topology: Topology;
  /** This function's clock, µs since 1970. */
  readonly now: () => Stamp;
  /** Told what a committed batch did, and what went wrong after its commit. */
  readonly onBatch?: (tally: Tally) => void;
  readonly onWarning?: (message: string, error: unknown) => void;
};

/**
 * Handles the records of one invocation; answers with the first failed offset of each partition, if any. With a clock (Lambda's
 * context) it stops before the time is up and reports what is not committed.
 */
export type Apply = (event: unknown, clock?: Clock) => Promise<BatchResponse>;

type Begun = { readonly attempt?: Attempt; readonly ahead?: Ahead | undefined };

/** The apply function of one execution environment: keeps the connection and what it knows of the catalogue. */
export function createApply(options: ApplyOptions): Apply {
  const applier = new Applier(options);
  const survived: Survived = new Set();

  const applyTogether = async (
    records: readonly KafkaRecord[],
    deadline: Deadline | undefined,
    ahead: Ahead | undefined,
  ): Promise<BatchResponse> => {
    const tallies = await applier.apply(records, [], deadline, ahead);
    options.onBatch?.(tallies.reduce(addTallies, EMPTY_TALLY));
    return { batchItemFailures: [] };
  };

  const begin = async (records: readonly KafkaRecord[], deadline?: Deadline): Promise<Begun> => {
    await options.wake?.();
    const progress = isInternalTopic(records[0]?.topic ?? '') ? [] : progressOf(records);
    if (progress.length === 0) return {};
    const count = async (): Promise<Begun> => {
      const counted = beginAttempt(timed(options.sql, deadline), progress);
      // The count has its own transaction, and commits before the server comes to this one.
      const ahead = applier.beginAhead(deadline);
      try {
        return { attempt: await counted, ahead };
      } catch (error) {
        ahead?.abandon();
        throw error;
      }
    };
    const counted = count().catch(async (error) => {
      if (options.wake === undefined || !isLostConnection(error)) throw error;
      // The connection of a busy function is not asked first. Counted twice, an attempt does no harm.
      await options.wake();
      return count();
    });
    // While the server commits that.
    const [begun] = await Promise.all([counted, applier.arrange(records)]).catch(async (error) => {
      (await counted).ahead?.abandon();
      throw error;
    });
    return begun;
  };

  const applyRecords = async (records: readonly KafkaRecord[], deadline?: Deadline): Promise<BatchResponse> => {
    const { attempt, ahead } = await begin(records, deadline);
    const isAlone =
      attempt !== undefined && (attempt.attempts > options.topology.limits.maxAttempts || attempt.suspects.size > 0);
    if (isAlone) ahead?.abandon();
    const response = isAlone
      ? await oneByOne(records, attempt, { applier, options, survived, deadline })
      : await applyTogether(records, deadline, ahead).finally(ahead?.abandon);
    await applier.afterBatch(deadline);
    return response;
  };

  return async (event, clock) => {
    const records = recordsOf(parseKafkaEvent(event));
    if (records.length === 0) return { batchItemFailures: [] };
    const deadline = deadlineOf(clock);
    try {
      return await within(deadline, options.sql, () => applyRecords(records, deadline));
    } catch (error) {
      if (deadline?.isOver() !== true) throw error;
      options.onWarning?.(`out of time: ${records.length} records were rolled back and come again`, error);
      return failuresOf(records);
    }
  };
}
