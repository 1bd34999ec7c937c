import { formatStamp } from '@concord/conflict';
import { originOf } from '@concord/events';
import { arrayLiteral, type Db, rawBytes } from '@concord/runtime';
import type { Refusal } from './change.ts';
import { backoffMs, type ReasonCode } from './reasons.ts';

const hex = (base64: string | null | undefined): string | null => {
  const bytes = rawBytes(base64);
  return bytes === null ? null : `\\x${bytes.toString('hex')}`;
};

const PARK = /* sql */ `
insert into concord.parked (topic, partition, "offset", table_name, stamp, reason, error, key, value, retry_at)
select i.topic, i.partition, i."offset", i.table_name, i.stamp, i.reason, i.error, i.key, i.value, now() + i.wait
from (select unnest($1::text[]) as topic, unnest($2::int4[]) as partition, unnest($3::int8[]) as "offset", unnest($4::text[]) as table_name,
  unnest($5::timestamptz[]) as stamp, unnest($6::text[]) as reason, unnest($7::text[]) as error, unnest($8::bytea[]) as key,
  unnest($9::bytea[]) as value, unnest($10::interval[]) as wait) i
on conflict (topic, partition, "offset", md5(coalesce(value, ''))) do nothing`;

/** Keeps records that could not be applied, raw. A redelivery of one that is parked already adds nothing. */
export async function park(db: Db, refusals: readonly Refusal[]): Promise<void> {
  if (refusals.length === 0) return;
  const column = (text: (refusal: Refusal) => string | null): string => arrayLiteral(refusals.map(text));
  await db.unsafe(PARK, [
    column(({ record }) => originOf(record).topic),
    column(({ record }) => String(originOf(record).partition)),
    column(({ record }) => String(originOf(record).offset)),
    column(({ change }) => change?.table ?? null),
    column(({ change }) => (change === undefined ? null : formatStamp(change.stamp))),
    column(({ reason }) => reason),
    column(({ error }) => sanitized(error)),
    column(({ record }) => hex(record.key)),
    column(({ record }) => hex(record.value)),
    column(({ reason }) => wait(reason, 0)),
  ]);
}

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

/** Locks due records, oldest first; what another function is retrying is skipped. */
export const claimDue = (db: Db, limit: number): Promise<DueRecord[]> =>
  db.unsafe<DueRecord[]>(
    `select id, topic, partition, "offset", key, value, attempts from concord.parked where retry_at <= now()
     order by id limit $1 for update skip locked`,
    [limit],
  );

export const closeParked = (db: Db, ids: readonly string[]): Promise<unknown> =>
  db.unsafe('delete from concord.parked where id = any($1::int8[])', [arrayLiteral(ids)]);

/** Tried again in vain: one more attempt, a longer wait. */
export const keepParked = (db: Db, id: string, attempts: number, reason: string, error: string): Promise<unknown> =>
  db.unsafe(
    `update concord.parked set attempts = $2::int, reason = $3::text, error = $4::text, retry_at = now() + $5::text::interval where id = $1::int8`,
    [id, attempts, reason, sanitized(error), wait(reason, attempts)],
  );
