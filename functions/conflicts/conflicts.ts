import type { ConflictNotice, ConflictPage, ConflictSide, ConflictsAnswer, ConflictsRequest } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { cutImage } from './image.ts';

/** A larger image is not even read: a hundred lines have to fit the function. */
const READ_BYTES = 262_144;

/** ISO 8601 in UTC, whatever zone the session has. */
const utc = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const side = (of: 'loser' | 'winner'): string => /* sql */ `
c.${of}_kind, ${utc(`c.${of}_stamp`)} as ${of}_stamp, c.${of}_region, octet_length(c.${of}_image::text) as ${of}_bytes,
case when octet_length(c.${of}_image::text) <= ${READ_BYTES} then c.${of}_image::text end as ${of}_image`;

/**
 * One line more than asked for, with what the snapshot that they were read in says. A transaction below its `xmin` has ended:
 * whatever it logged is seen. Reading begins at the page, at the cursor, or, where the cursor is of a later state of
 * this database (it was restored), at the beginning.
 */
const READ = /* sql */ `
with now as materialized (
  select r.name, r.source_region, pg_snapshot_xmin(s)::text as xmin,
    coalesce($2::text, case when a.xid <= pg_snapshot_xmax(s) then a.xid::text end, '0')::xid8 as from_xid
  from concord.region r, pg_current_snapshot() s, lateral (select ($1::text::jsonb ->> r.source_region)::xid8 as xid) a)
select n.name, n.source_region, n.xmin, p.*
from now n left join lateral (
  select c.id, c.table_name, c.key::text, c.kind, c.rule, c.part, c.amount::text, c.review, ${utc('c.logged_at')} as logged_at, c.logged_xid::text as xid,
    ${side('loser')}, ${side('winner')}
  from concord.conflict c
  where (c.logged_xid, c.id) > (n.from_xid, $3::text) and c.review in ('alert', 'manual')
  order by c.logged_xid, c.id limit $4::int) p on true`;

type Line = {
  readonly name: string;
  readonly source_region: string;
  readonly xmin: string;
  /** Null, and all that follows with it, where there is no line. */
  readonly id: string | null;
  readonly table_name: string;
  readonly key: string;
  readonly kind: string;
  readonly rule: string;
  readonly part: string;
  readonly amount: string | null;
  readonly review: 'alert' | 'manual';
  readonly logged_at: string;
  readonly xid: string;
} & Readonly<Record<`${'loser' | 'winner'}_${'kind' | 'stamp' | 'region'}`, string>> &
  Readonly<Record<`${'loser' | 'winner'}_image`, string | null>> &
  Readonly<Record<`${'loser' | 'winner'}_bytes`, number | null>>;

/**
 * Lines of this region's conflict log of which somebody is to be told, in the order of the transactions that logged them, and the
 * cursor from which to go on. None is missed, also when a transaction that began early commits late: the cursor never passes one
 * that had not ended (`pg_snapshot_xmin`). So lines beside a long transaction come again with every reading until it has ended.
 *
 * Where there are more than `limit`, the cursor goes no further than the last transaction of which a line was given out, and
 * `page` says where that reading goes on, within one transaction if need be.
 */
export async function readConflicts(sql: Sql, { after, page, limit }: ConflictsRequest): Promise<ConflictsAnswer> {
  const lines = await sql.unsafe<Line[]>(READ, [JSON.stringify(after), page?.xid ?? null, page?.id ?? '', limit + 1]);
  const [now] = lines;
  if (now === undefined) throw new Error('this database is not enrolled: concord.region is empty');
  const found = lines.filter(({ id }) => id !== null);
  const given = found.slice(0, limit);
  const until = page?.until ?? now.xmin;
  const next = found.length > limit ? pageAfter(given.at(-1), until) : undefined;
  return {
    region: now.source_region,
    notices: given.map(noticeOf),
    cursor: next === undefined ? until : least(until, next.xid),
    ...(next && { page: next }),
  };
}

const least = (one: string, other: string): string => (BigInt(one) < BigInt(other) ? one : other);

const pageAfter = (last: Line | undefined, until: string): ConflictPage | undefined =>
  last && { xid: last.xid, id: last.id ?? '', until };

const noticeOf = (line: Line): ConflictNotice => ({
  id: line.id ?? '',
  table: line.table_name,
  key: JSON.parse(line.key),
  kind: line.kind,
  rule: line.rule,
  part: line.part,
  amount: line.amount,
  review: line.review,
  region: line.name,
  loggedAt: line.logged_at,
  loser: sideOf(line, 'loser'),
  winner: sideOf(line, 'winner'),
});

const sideOf = (line: Line, of: 'loser' | 'winner'): ConflictSide => ({
  kind: line[`${of}_kind`],
  stamp: line[`${of}_stamp`],
  region: line[`${of}_region`],
  ...cutImage(line[`${of}_image`], line[`${of}_bytes`]),
});
