import type { Sql } from '@concord/runtime';
import { buryRows } from './bury.ts';
import type { Tables } from './catalogue-cache.ts';
import { keyColumns, matchKey, type Plan, planOf } from './plan.ts';
import { setUp } from './set-up.ts';
import { meaningOf } from './sqlstate.ts';

/**
 * Where an applied tombstone found no row, a local insert in flight may not have seen it. Each pass deletes live rows under
 * a newer tombstone, drops entries that no such transaction can be left for, and fences those whose tombstone lies in the
 * past with this transaction's own id. (Never pg_snapshot_xmax: a running transaction may have that very id. The clock is
 * read, as now(), before the id exists.)
 */
const statementOf = (plan: Plan): string => {
  const keys = keyColumns(plan)
    .map(({ name, type }, index) => `(u.key[${index + 1}])::${type} as "${name.replaceAll('"', '""')}"`)
    .join(', ');
  return /* sql */ `
with snapshot as materialized (select pg_snapshot_xmin(pg_current_snapshot()) as oldest),
keys as materialized (select u.ctid as "concord entry", u.fence as "concord fence", ${keys} from concord.unsettled u where u.table_name = $1),
${buryRows(plan, 'select * from keys')},
done as (delete from concord.unsettled u using snapshot where u.table_name = $1 and u.fence <= snapshot.oldest returning 1),
fenced as (
  update concord.unsettled u set fence = pg_current_xact_id() from keys k, ${plan.tombstones} b
  where u.ctid = k."concord entry" and u.fence is null and ${matchKey(plan, 'b', 'k')} and b._last_updated < now() returning 1)
select (select count(*)::int from gone) as buried, (select count(*)::int from done) as done, (select count(*)::int from fenced) as fenced`;
};

export type Settled = { buried: number; done: number; fenced: number };

const NOTHING: Settled = { buried: 0, done: 0, fenced: 0 };

/** A row that the application keeps locked, or a deadlock with it, leaves the table for the next pass. */
async function settleTable(sql: Sql, plan: Plan, lockTimeoutMs: number): Promise<Settled> {
  try {
    return await sql.begin(async (tx) => {
      await setUp(tx, lockTimeoutMs);
      const [row] = await tx.unsafe<Settled[]>(statementOf(plan), [plan.table.name]);
      return row ?? NOTHING;
    });
  } catch (error) {
    const meaning = meaningOf(error);
    if (meaning.kind === 'again' || (meaning.kind === 'row' && meaning.reason === 'locked')) return NOTHING;
    throw error;
  }
}

/** One short transaction per table with unsettled keys. Run after each batch and every minute. */
export async function settle(
  sql: Sql,
  tables: Tables,
  names: readonly string[],
  lockTimeoutMs: number,
): Promise<Settled> {
  const total = { ...NOTHING };
  for (const name of names) {
    const table = tables.get(name);
    if (table === undefined) continue;
    const row = await settleTable(sql, planOf(table), lockTimeoutMs);
    total.buried += row.buried;
    total.done += row.done;
    total.fenced += row.fenced;
  }
  return total;
}

/** What is left to do between batches: tables with unsettled keys, and whether parked records are due. */
export async function readLeftovers(sql: Sql): Promise<{ unsettled: string[]; due: boolean }> {
  const [row] = await sql.unsafe<{ unsettled: string[] | null; due: boolean }[]>(
    `select (select json_agg(distinct table_name) from concord.unsettled) as unsettled,
       exists (select from concord.parked where retry_at <= now()) as due`,
  );
  return { unsettled: row?.unsettled ?? [], due: row?.due ?? false };
}
