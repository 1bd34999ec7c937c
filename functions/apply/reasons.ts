import type { Undecodable } from '@concord/runtime';

/** What to do about a parked record by itself: nothing, or try again (milliseconds; doubled with each attempt, at most a minute). */
export type Reason = { readonly retryAfterMs: number | null; readonly hint: string };

/** Every reason code that `concord.parked` can hold. */
export const REASONS = {
  empty: { retryAfterMs: null, hint: 'the connector must drop Kafka tombstones (tombstones.on.delete=false)' },
  oversized: {
    retryAfterMs: null,
    hint: 'raise limits.maxRecordBytes (Lambda takes 6 MB at most), then write the row again',
  },
  not_utf8: { retryAfterMs: null, hint: 'something other than the connector wrote to the topic' },
  not_json: { retryAfterMs: null, hint: 'something other than the connector wrote to the topic' },
  nul: { retryAfterMs: null, hint: 'PostgreSQL cannot have sent it: see who writes to the topic' },
  surrogate: { retryAfterMs: null, hint: 'PostgreSQL cannot have sent it: see who writes to the topic' },
  contract: { retryAfterMs: null, hint: 'compare the connector settings with the topology' },
  unknown_table: {
    retryAfterMs: 30_000,
    hint: 'enroll the table in this region; the record then goes through by itself',
  },
  unknown_column: {
    retryAfterMs: 30_000,
    hint: 'run the migration in this region; the record then goes through by itself',
  },
  unavailable_value: {
    retryAfterMs: null,
    hint: 'the source table has lost REPLICA IDENTITY FULL: enroll it again, update the row',
  },
  bad_key: { retryAfterMs: null, hint: 'the primary keys of source and target differ' },
  bad_version: { retryAfterMs: null, hint: 'the row was not stamped by the trigger of an enrolled table' },
  foreign_region: { retryAfterMs: null, hint: 'a region writes only its own topic: see who writes to this one' },
  future: {
    retryAfterMs: 60_000,
    hint: 'a clock is ahead by more than limits.driftLimitMs; the record goes through once its time has come',
  },
  unique: {
    retryAfterMs: 100,
    hint: 'another row holds the value of a unique key; the record goes through once it is free',
  },
  locked: { retryAfterMs: 500, hint: 'an idle transaction of the application holds the row; see pg_stat_activity' },
  refused: { retryAfterMs: null, hint: 'PostgreSQL refused the row: compare the table between source and target' },
  killer: { retryAfterMs: null, hint: 'this record stopped the function itself, several times: look at its size' },
} as const satisfies Record<Undecodable['reason'] | string, Reason>;

export type ReasonCode = keyof typeof REASONS;

const MAX_BACKOFF_MS = 60_000;

/** Milliseconds until the next try, or null when only a person can help. */
export function backoffMs(reason: ReasonCode, attempts: number): number | null {
  const { retryAfterMs } = REASONS[reason];
  return retryAfterMs === null ? null : Math.min(MAX_BACKOFF_MS, retryAfterMs * 2 ** Math.min(attempts, 10));
}
