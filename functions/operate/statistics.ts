import type { Sql } from '@concord/runtime';

/** Conflicts of one kind in one table. */
export type ConflictStatistics = {
  readonly table: string;
  readonly kind: string;
  /** All that were ever logged here, also on days that are gone. */
  readonly total: number;
  /** In the log now. */
  readonly logged: number;
  readonly open: number;
  readonly reinstated: number;
  readonly dismissed: number;
  /** When the last one was logged, ISO 8601 in UTC. */
  readonly lastAt: string;
};

const STATISTICS = /* sql */ `
select t.table_name as "table", t.kind, t.conflicts::float8 as total, coalesce(c.logged, 0) as logged, coalesce(c.open, 0) as open,
  coalesce(c.reinstated, 0) as reinstated, coalesce(c.dismissed, 0) as dismissed,
  to_char(t.last_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "lastAt"
from concord.conflict_total t left join (
  select table_name, kind, count(*)::int as logged, count(*) filter (where state = 'open')::int as open,
    count(*) filter (where state = 'reinstated')::int as reinstated, count(*) filter (where state = 'dismissed')::int as dismissed
  from concord.conflict group by table_name, kind) c on c.table_name = t.table_name and c.kind = t.kind
where $1::text is null or t.table_name = $1::text order by t.table_name, t.kind`;

/** Per table and kind, of this region. */
export const conflictStatistics = (sql: Sql, table?: string): Promise<ConflictStatistics[]> =>
  sql.unsafe<ConflictStatistics[]>(STATISTICS, [table ?? null]);
