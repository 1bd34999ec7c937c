import { setTimeout as delay } from 'node:timers/promises';
import { arrayLiteral, type Sql } from '@concord/runtime';
import { MATCHES, type ParkedFilter, parametersOf } from './parked.ts';
import { Refused } from './refused.ts';

/** What a redrive would do to records of one reason and table. */
export type RedriveGroup = {
  readonly reason: string;
  readonly table: string | null;
  readonly records: number;
  /** Of these. */
  readonly archived: number;
  /** Of a table that is not live here: they stay parked until it is. */
  readonly rollout: 'off' | 'shadow' | null;
};

const PLAN = /* sql */ `
select p.reason, p.table_name as "table", count(*)::int as records, (count(p.archived_at))::int as archived, nullif(e.rollout, 'live') as rollout
from concord.parked p left join concord.enrolled_table e on e.table_name = p.table_name
where ${MATCHES} group by p.reason, p.table_name, e.rollout order by 3 desc, 1, 2`;

/** What `redrive` would try again. Throws where one of the ids is not parked. */
export async function planRedrive(sql: Sql, filter: ParkedFilter): Promise<RedriveGroup[]> {
  const groups = await sql.unsafe<RedriveGroup[]>(PLAN, parametersOf(filter));
  const found = groups.reduce((sum, { records }) => sum + records, 0);
  const asked = new Set(filter.ids).size;
  if (filter.ids !== undefined && found < asked)
    throw new Refused(
      `${asked - found} of ${asked} records are not parked here`,
      'they went in by themselves, or are in another region: `concord parked`',
    );
  return groups;
}

/** Makes records due at once, with all their tries, archived ones too; apply takes them after its next batch. Returns their ids. */
export async function redrive(sql: Sql, filter: ParkedFilter): Promise<readonly string[]> {
  const rows = await sql.unsafe<{ id: string }[]>(
    `update concord.parked p set retry_at = clock_timestamp(), attempts = 0, archived_at = null where ${MATCHES} returning p.id::text`,
    parametersOf(filter),
  );
  return rows.map(({ id }) => id);
}

/** What has become of redriven records. */
export type RedriveProgress = {
  readonly records: number;
  /** Gone in, or overtaken by a newer version. */
  readonly closed: number;
  /** Tried, and parked again. */
  readonly again: number;
  /** Of a table that is not live. */
  readonly postponed: number;
  readonly untried: number;
};

/** Whoever tries a record in vain counts an attempt, so none that was redriven and has some is untried. */
const PROGRESS = /* sql */ `
select count(*) filter (where p.attempts > 0)::int as again,
  count(*) filter (where p.attempts = 0 and e.rollout is not null)::int as postponed,
  count(*) filter (where p.attempts = 0 and e.rollout is null)::int as untried
from concord.parked p left join concord.enrolled_table e on e.table_name = p.table_name and e.rollout <> 'live'
where p.id = any($1::int8[])`;

export async function redriveProgress(sql: Sql, ids: readonly string[]): Promise<RedriveProgress> {
  const [row] = await sql.unsafe<Pick<RedriveProgress, 'again' | 'postponed' | 'untried'>[]>(PROGRESS, [
    arrayLiteral(ids),
  ]);
  const { again, postponed, untried } = row ?? { again: 0, postponed: 0, untried: ids.length };
  return { records: ids.length, closed: ids.length - again - postponed - untried, again, postponed, untried };
}

export type Followed = RedriveProgress & {
  /** `stalled`: nothing was tried for so long; no apply function works here. `stopped`: the signal. */
  readonly end: 'done' | 'stalled' | 'stopped';
};

export type FollowOptions = {
  readonly onProgress: (progress: RedriveProgress) => void;
  readonly signal: AbortSignal;
  readonly stalledMs: number;
  readonly pollMs?: number;
};

/** Waits until every redriven record was tried. Heartbeats come every few seconds, so an apply function that works tries them soon. */
export async function followRedrive(
  sql: Sql,
  ids: readonly string[],
  { onProgress, signal, stalledMs, pollMs = 250 }: FollowOptions,
): Promise<Followed> {
  let last: RedriveProgress | undefined;
  let changedMs = performance.now();
  for (;;) {
    const progress = await redriveProgress(sql, ids);
    if (progress.untried === 0) return { ...progress, end: 'done' };
    if (signal.aborted) return { ...progress, end: 'stopped' };
    if (progress.untried !== last?.untried) {
      changedMs = performance.now();
      onProgress(progress);
    }
    if (performance.now() - changedMs > stalledMs) return { ...progress, end: 'stalled' };
    last = progress;
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/** When apply committed a batch here last, ISO 8601 in UTC; null: never. */
export async function lastBatchAt(sql: Sql): Promise<string | null> {
  const [row] = await sql.unsafe<{ at: string | null }[]>(
    `select to_char(max(applied_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at from concord.watermark`,
  );
  return row?.at ?? null;
}
