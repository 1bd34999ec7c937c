import { arrayLiteral, type Db, type Sent, send } from '@concord/runtime';
import { DELIVERED, GAP_CLOSED_AT } from './delivered.ts';
import type { Tally } from './ledger.ts';
import type { Progress } from './watermark.ts';

/** What an invocation finds: how often this batch was begun, and the records that former ones tried alone when they died. */
export type Attempt = { readonly attempts: number; readonly suspects: ReadonlySet<string> };

/** Names a record among all partitions. */
export const recordName = (topic: string, partition: number, offset: number): string =>
  `${topic}-${partition}@${offset}`;

/** A column of values for each partition. */
type Column = readonly string[];

const names = (progress: readonly Progress[]): [topics: Column, partitions: Column] => [
  progress.map(({ topic }) => topic),
  progress.map(({ partition }) => String(partition)),
];

/**
 * Sends a statement over columns of equal length, in which parameter n stands as `unnest($n::type[])`. Most batches are of one partition:
 * without arrays it is planned in half the time, and finds its row without a join.
 */
function sendColumns<Rows extends object[]>(db: Db, text: string, columns: readonly Column[]): Sent<Rows> {
  if (columns[0]?.length !== 1) return send<Rows>(db, text, columns.map(arrayLiteral));
  const ofOne = text.replaceAll(/unnest\((\$\d+::\w+)\[\]\)/g, '$1');
  return send<Rows>(
    db,
    ofOne,
    columns.map(([value]) => value ?? ''),
  );
}

/**
 * Counts an attempt at each partition's batch and commits it before the work begins, so that a batch that kills the function
 * itself is noticed. Returns the greatest count.
 */
export async function beginAttempt(db: Db, progress: readonly Progress[]): Promise<Attempt> {
  const rows = await sendColumns<{ topic: string; partition: number; attempts: number; suspect: string | null }[]>(
    db,
    `insert into concord.watermark as w (topic, partition, attempt_offset, attempts)
     select unnest($1::text[]), unnest($2::int4[]), unnest($3::int8[]), 1
     on conflict (topic, partition) do update set attempt_offset = excluded.attempt_offset,
       attempts = case when w.attempt_offset = excluded.attempt_offset then w.attempts + 1 else 1 end
     returning topic, partition, attempts, suspect_offset as suspect`,
    [...names(progress), progress.map(({ firstOffset }) => String(firstOffset))],
  );
  const suspects = rows
    .filter(({ suspect }) => suspect !== null)
    .map(({ topic, partition, suspect }) => recordName(topic, partition, Number(suspect)));
  return { attempts: Math.max(...rows.map((row) => row.attempts)), suspects: new Set(suspects) };
}

/** Notes, committed, the record that is about to be tried alone; null clears it. */
export const markSuspect = (db: Db, topic: string, partition: number, offset: number | null): Promise<unknown> =>
  db.unsafe('update concord.watermark set suspect_offset = $3::int8 where topic = $1::text and partition = $2::int4', [
    topic,
    partition,
    offset,
  ]);

/** Locks the watermark rows of a batch: two pollers of one partition are serialised. First statement of the transaction. */
export async function claim(db: Db, progress: readonly Progress[]): Promise<void> {
  const rows = await sendColumns(
    db,
    `select 1 from concord.watermark w join (select unnest($1::text[]) as topic, unnest($2::int4[]) as partition) p
       on p.topic = w.topic and p.partition = w.partition order by w.topic, w.partition for update of w`,
    names(progress),
  );
  if (rows.length !== progress.length) throw new Error('a watermark row is missing: beginAttempt comes first');
}

const RECORD = /* sql */ `
update concord.watermark w set next_offset = p.next_offset, source_at = p.source_at, applied_at = clock_timestamp(),
  received = w.received + p.received, applied = w.applied + p.applied, superseded = w.superseded + p.superseded,
  held = w.held + p.held, parked = w.parked + p.parked, conflicts = w.conflicts + p.conflicts, skipped = w.skipped + p.skipped,
  closed_at = greatest(w.closed_at, p.closed_at), delivered = ${DELIVERED}, gap_closed_at = ${GAP_CLOSED_AT},
  attempts = 0, suspect_offset = null
from (select unnest($1::text[]) as topic, unnest($2::int4[]) as partition, unnest($3::int8[]) as next_offset,
  to_timestamp(unnest($4::float8[]) / 1000) as source_at, unnest($5::int8[]) as received, unnest($6::int8[]) as applied,
  unnest($7::int8[]) as superseded, unnest($8::int8[]) as held, unnest($9::int8[]) as parked, unnest($10::int8[]) as conflicts,
  unnest($11::int8[]) as skipped, int8multirange(int8range(unnest($12::int8[]), unnest($3::int8[]))) as delivered,
  timestamptz 'epoch' + unnest($13::int8[]) * interval '1 microsecond' as closed_at) p
where w.topic = p.topic and w.partition = p.partition`;

/** What a batch did in one topic-partition. `skipped`: records of tables that are not live here; they are not received. */
export type Entry = { readonly progress: Progress; readonly tally: Tally; readonly skipped: number };

/** Progress and accounting, in the transaction of the rows themselves (I9). Sent when it returns. */
export function sendRecord(db: Db, entries: readonly Entry[]): Sent<object[]> {
  const column = (value: (entry: Entry) => number): Column => entries.map((entry) => String(value(entry)));
  return sendColumns(db, RECORD, [
    ...names(entries.map(({ progress }) => progress)),
    column(({ progress }) => progress.nextOffset),
    column(({ progress }) => progress.sourceAtMs),
    column(({ tally }) => tally.received),
    column(({ tally }) => tally.applied),
    column(({ tally }) => tally.superseded),
    column(({ tally }) => tally.held),
    column(({ tally }) => tally.parked),
    column(({ tally }) => tally.conflicts),
    column(({ skipped }) => skipped),
    column(({ progress }) => progress.firstOffset),
    column(({ progress }) => progress.closedUs),
  ]);
}
