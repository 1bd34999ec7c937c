import type { Rollout } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { Refused } from './refused.ts';

/** What shadow has decided since a table was first in it: `applied`, `superseded`, `conflict:<kind>`, `parked:<reason>`. */
export type ShadowCount = {
  readonly outcome: string;
  readonly records: number;
  readonly firstAt: string;
  readonly lastAt: string;
};

export type TableRollout = {
  readonly table: string;
  readonly rollout: Rollout;
  readonly shadow: readonly ShadowCount[];
};

const time = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const ROLLOUTS = /* sql */ `
select e.table_name as "table", e.rollout, (select coalesce(json_agg(json_build_object('outcome', s.outcome, 'records', s.records,
    'firstAt', ${time('s.first_at')}, 'lastAt', ${time('s.last_at')}) order by s.outcome), '[]')
  from concord.shadow s where s.table_name = e.table_name) as shadow
from concord.enrolled_table e where $1::text is null or e.table_name = $1::text order by e.table_name`;

/** Of every enrolled table, or of one: throws where that is not enrolled here. */
export async function readRollouts(sql: Sql, table?: string): Promise<TableRollout[]> {
  const rows = await sql.unsafe<TableRollout[]>(ROLLOUTS, [table ?? null]);
  if (table !== undefined && rows.length === 0)
    throw new Refused(`${table} is not enrolled in this region`, '`concord status` lists the enrolled tables');
  return rows;
}

export type RolloutChange = {
  readonly table: string;
  readonly from: Rollout;
  readonly to: Rollout;
  /** Parked records that are due at once, now that their table is live. */
  readonly due: number;
};

/**
 * Changes what apply does with the records of a table in this region; the next batch follows it. Records that were passed over
 * before are not fetched again.
 */
export async function setRollout(sql: Sql, table: string, to: Rollout): Promise<RolloutChange> {
  return sql.begin(async (tx) => {
    const [before] = await tx.unsafe<{ rollout: Rollout }[]>(
      'select rollout from concord.enrolled_table where table_name = $1::text for no key update',
      [table],
    );
    if (before === undefined)
      throw new Refused(`${table} is not enrolled in this region`, '`concord status` lists the enrolled tables');
    await tx.unsafe('update concord.enrolled_table set rollout = $2::text where table_name = $1::text', [table, to]);
    // What it had loaded is old by the time it is live again.
    if (to !== 'live') await tx.unsafe('delete from concord.load where table_name = $1::text', [table]);
    const due = await tx.unsafe(
      `update concord.parked set retry_at = now() where table_name = $1::text and retry_at is not null and $2::text = 'live'`,
      [table, to],
    );
    return { table, from: before.rollout, to, due: due.count };
  }) as Promise<RolloutChange>;
}
