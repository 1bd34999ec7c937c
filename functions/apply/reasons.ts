import type { Undecodable } from '@concord/runtime';

/**
 * What becomes of a parked record by itself:
 * `now` – tried again within a second, since it waits for a moment's work of somebody else (a lock, a value);
 * `later` – tried again within a minute, since it waits for a clock or for people (a migration, a deployment);
 * `park` – not tried again until somebody redrives it, since the same would happen.
 */
export type Action = 'now' | 'later' | 'park';

/** Milliseconds until the first try, doubled with each one up to `atMostMs`. */
export type Backoff = { readonly firstMs: number; readonly atMostMs: number };

export type Reason = { readonly action: Action; readonly backoff?: Backoff; readonly hint: string };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const now = (firstMs: number, hint: string) =>
  ({ action: 'now', backoff: { firstMs, atMostMs: MINUTE_MS }, hint }) as const;
const later = (firstMs: number, hint: string) =>
  ({ action: 'later', backoff: { firstMs, atMostMs: HOUR_MS }, hint }) as const;
const park = (hint: string) => ({ action: 'park', hint }) as const;

/** Every reason code that `concord.parked` can hold; docs/parked.md prints it. */
export const REASONS = {
  empty: park('the connector must drop Kafka tombstones (tombstones.on.delete=false)'),
  oversized: park('raise limits.maxRecordBytes (Lambda takes 6 MB at most), then write the row again'),
  not_utf8: park('something other than the connector wrote to the topic'),
  not_json: park('something other than the connector wrote to the topic'),
  nul: park('PostgreSQL cannot have sent it: see who writes to the topic'),
  surrogate: park('PostgreSQL cannot have sent it: see who writes to the topic'),
  contract: park('compare the connector settings with the topology'),
  unknown_table: later(30_000, 'enroll the table in this region; the record then goes through by itself'),
  unknown_column: later(30_000, 'run the migration in this region; the record then goes through by itself'),
  unknown_tag: later(
    30_000,
    'a newer release wrote this version: deploy that release in every region first; the record then goes through by itself',
  ),
  unavailable_value: park('the source table has lost REPLICA IDENTITY FULL: enroll it again, update the row'),
  bad_key: park('the primary keys of source and target differ'),
  bad_version: park('the row was not stamped by the trigger of an enrolled table'),
  foreign_region: park('a region writes only its own topic: see who writes to this one'),
  future: later(
    MINUTE_MS,
    'a clock is ahead by more than limits.driftLimitMs; the record goes through once its time has come',
  ),
  unique: now(100, 'another row holds the value of a unique key; the record goes through once it is free'),
  locked: now(500, 'an idle transaction of the application holds the row; see pg_stat_activity'),
  refused: park('PostgreSQL refused the row: compare the table between source and target, then redrive'),
  below_horizon: park(
    'tombstones of its time have been deleted, so nobody can tell whether its row was: reconcile the table, then redrive',
  ),
  killer: park('this record stopped the function itself, several times: look at its size'),
} as const satisfies Record<Undecodable['reason'] | string, Reason>;

export type ReasonCode = keyof typeof REASONS;

/** Reasons that a change of the catalogue, or a new release, may end: their records are due at once then. */
export const SCHEMA_REASONS = ['unknown_table', 'unknown_column', 'unknown_tag'] as const satisfies ReasonCode[];

/** Milliseconds until the next try after so many in vain, or null when only a person can help. */
export function backoffMs(code: ReasonCode, attempts: number): number | null {
  const { backoff }: Reason = REASONS[code];
  return backoff === undefined ? null : Math.min(backoff.atMostMs, backoff.firstMs * 2 ** Math.min(attempts, 20));
}

/** What to do about a record, for a person; also of a code that another release made. */
export const hintOf = (code: string): string =>
  Object.hasOwn(REASONS, code) ? REASONS[code as ReasonCode].hint : 'another release parked it: see that one';
