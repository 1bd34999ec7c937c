import { formatStamp } from '@concord/conflict';
import { isInternalTopic, originOf } from '@concord/events';
import { arrayLiteral, type Db, rawBytes } from '@concord/runtime';
import type { Refusal } from './change.ts';
import { type Label, labelOf } from './label.ts';
import { backoffMs, type ReasonCode, SCHEMA_REASONS } from './reasons.ts';

const hex = (base64: string | null | undefined): string | null => {
  const bytes = rawBytes(base64);
  return bytes === null ? null : `\\x${bytes.toString('hex')}`;
};

const PARK = /* sql */ `
insert into concord.parked (topic, partition, "offset", via, table_name, stamp, reason, error, key, value, retry_at)
select i.topic, i.partition, i."offset", i.via, i.table_name, i.stamp, i.reason, i.error, i.key, i.value, now() + i.wait
from (select unnest($1::text[]) as topic, unnest($2::int4[]) as partition, unnest($3::int8[]) as "offset", unnest($4::text[]) as table_name,
  unnest($5::timestamptz[]) as stamp, unnest($6::text[]) as reason, unnest($7::text[]) as error, unnest($8::bytea[]) as key,
  unnest($9::bytea[]) as value, unnest($10::interval[]) as wait, unnest($11::text[]) as via) i
on conflict (topic, partition, "offset", md5(coalesce(value, ''))) do nothing`;

/** Keeps records that could not be applied, raw. A redelivery of one that is parked already adds nothing. */
export async function park(db: Db, refusals: readonly Refusal[]): Promise<void> {
  if (refusals.length === 0) return;
  const labels = refusals.map(labelOfRefusal);
  const column = (text: (refusal: Refusal, label: Label) => string | null): string =>
    arrayLiteral(refusals.map((refusal, index) => text(refusal, labels[index] as Label)));
  await db.unsafe(PARK, [
    column(({ record }) => originOf(record).topic),
    column(({ record }) => String(originOf(record).partition)),
    column(({ record }) => String(originOf(record).offset)),
    column((_, { table }) => table),
    column((_, { stamp }) => (stamp === null ? null : formatStamp(stamp))),
    column(({ reason }) => reason),
    column(({ error }) => sanitized(error)),
    column(({ record }) => hex(record.key)),
    column(({ record }) => hex(record.value)),
    column(({ reason }) => wait(reason, 0)),
    // Only what a topic delivered is in the counts of that topic's partition.
    column(({ record }) => (isInternalTopic(record.topic) ? record.topic : null)),
  ]);
}

const labelOfRefusal = ({ change, record }: Refusal): Label => change ?? labelOf(record);

function wait(reason: string, attempts: number): string | null {
  const ms = backoffMs(reason as ReasonCode, attempts);
  return ms === null ? null : `${ms} milliseconds`;
}

/** An error text may quote the poison itself. */
const sanitized = (text: string): string => text.replaceAll('\0', '\\0').toWellFormed().slice(0, 2000);

/** A parked record whose time to try again has come. */
export type DueRecord = {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly attempts: number;
};

/** How many records, and about how many bytes of them, are tried in one transaction. */
export type Share = { readonly records: number; readonly bytes: number };

const CLAIM = /* sql */ `
with oldest as materialized (
  select id, coalesce(octet_length(value), 0) as bytes from concord.parked where retry_at <= $1::text::timestamptz order by id limit $2::int),
share as materialized (select id, sum(bytes) over (order by id) - bytes as before from oldest)
select p.id, p.topic, p.partition, p."offset", p.key, p.value, p.attempts from concord.parked p
where p.id in (select id from share where before < $3::int8) and p.retry_at <= $1::text::timestamptz
order by p.id for update of p skip locked`;

/** Locks records that were due at a moment, oldest first; what another function is retrying is skipped. */
export const claimDue = (db: Db, dueAt: string, { records, bytes }: Share): Promise<DueRecord[]> =>
  db.unsafe<DueRecord[]>(CLAIM, [dueAt, records, bytes]);

/** The database's clock: what becomes due later is not tried by who asked now. */
export async function readClock(db: Db): Promise<string> {
  const [row] = await db.unsafe<{ now: string }[]>('select clock_timestamp()::text as now');
  if (row === undefined) throw new Error('a clock returned no row');
  return row.now;
}

export const closeParked = async (db: Db, due: readonly DueRecord[]): Promise<void> => {
  if (due.length > 0) await db.unsafe('delete from concord.parked where id = any($1::int8[])', [ids(due)]);
};

const ids = (due: readonly DueRecord[]): string => arrayLiteral(due.map(({ id }) => id));

/** A record that was tried again in vain, and why. */
export type Kept = { readonly due: DueRecord; readonly refusal: Refusal };

const KEEP = /* sql */ `
update concord.parked p set attempts = i.attempts, reason = i.reason, error = i.error, last_tried_at = clock_timestamp(),
  table_name = coalesce(i.table_name, p.table_name), stamp = coalesce(i.stamp, p.stamp),
  retry_at = case when i.attempts < $8::int then clock_timestamp() + i.wait end,
  archived_at = case when i.attempts >= $8::int and i.wait is not null then clock_timestamp() end
from (select unnest($1::int8[]) as id, unnest($2::int4[]) as attempts, unnest($3::text[]) as reason, unnest($4::text[]) as error,
  unnest($5::interval[]) as wait, unnest($6::text[]) as table_name, unnest($7::timestamptz[]) as stamp) i
where p.id = i.id`;

/** One more attempt, a longer wait; after `limit` attempts it is archived: kept, and not tried again until somebody redrives it. */
export async function keepParked(db: Db, kept: readonly Kept[], limit: number): Promise<void> {
  if (kept.length === 0) return;
  const labels = kept.map(({ refusal }) => labelOfRefusal(refusal));
  const column = (text: (kept: Kept) => string | null): string => arrayLiteral(kept.map(text));
  await db.unsafe(KEEP, [
    ids(kept.map(({ due }) => due)),
    column(({ due }) => String(due.attempts + 1)),
    column(({ refusal }) => refusal.reason),
    column(({ refusal }) => sanitized(refusal.error)),
    column(({ due, refusal }) => wait(refusal.reason, due.attempts + 1)),
    arrayLiteral(labels.map(({ table }) => table)),
    arrayLiteral(labels.map(({ stamp }) => (stamp === null ? null : formatStamp(stamp)))),
    limit,
  ]);
}

/** What is due for a table that is not live: looked at again in a while, and when the table goes live. No attempt. */
export const postponeParked = async (db: Db, due: readonly DueRecord[]): Promise<void> => {
  if (due.length === 0) return;
  await db.unsafe(
    `update concord.parked set retry_at = clock_timestamp() + interval '10 minutes' where id = any($1::int8[])`,
    [ids(due)],
  );
};

/**
 * What waits for another schema is due at once: this function began, maybe in a newer release, or the catalogue has changed.
 * Then what was given up is tried as well, once.
 */
export const wakeParked = (db: Db, also: 'waiting' | 'archived'): Promise<unknown> =>
  db.unsafe(
    `update concord.parked set retry_at = now(), archived_at = null
     where reason = any($1::text[]) and (retry_at > now() or ($2::boolean and archived_at is not null))`,
    [arrayLiteral([...SCHEMA_REASONS]), also === 'archived'],
  );
