import { type Db, type Sent, type Sql, send, type TransactionSql } from '@concord/runtime';
import { buryRows } from './bury.ts';
import { buryLattices } from './bury-lattice.ts';
import type { Tables } from './catalogue-cache.ts';
import { byKey } from './collapse.ts';
import { readHolding } from './limbo.ts';
import { placeTable } from './place.ts';
import { keyColumns, matchKey, type Plan, planOf } from './plan.ts';
import { setUp } from './set-up.ts';
import { meaningOf } from './sqlstate.ts';
import { changeOfKey } from './states.ts';

/*
 * Where an applied tombstone found no row, a local insert in flight may not have seen it. Each pass buries live rows under
 * a newer tombstone, drops entries that no such transaction can be left for, and fences those whose tombstone lies in the
 * past with this transaction's own id. (Never pg_snapshot_xmax: a running transaction may have that very id. The clock is
 * read, as now(), before the id exists.)
 */
const UNSETTLED = /* sql */ `
select (pg_snapshot_xmin(pg_current_snapshot()))::text as oldest,
  (select coalesce(json_agg(u.key order by u.key), '[]') from concord.unsettled u where u.table_name = $1::text) as keys`;

/** The snapshot that dropped entries are judged by is no later than the one that looked for their rows. */
const statementOf = (plan: Plan): string => {
  const keys = keyColumns(plan)
    .map(({ name, type }, index) => `(u.key[${index + 1}])::${type} as "${name.replaceAll('"', '""')}"`)
    .join(', ');
  const gone = plan.table.lattice ? 'gone as (select where false)' : buryRows(plan, 'select * from keys');
  return /* sql */ `
with keys as materialized (select u.ctid as "concord entry", u.fence as "concord fence", ${keys} from concord.unsettled u where u.table_name = $1),
${gone},
done as (delete from concord.unsettled u where u.table_name = $1 and u.fence <= $2::text::xid8 returning 1),
fenced as (
  update concord.unsettled u set fence = pg_current_xact_id() from keys k, ${plan.tombstones} b
  where u.ctid = k."concord entry" and u.fence is null and ${matchKey(plan, 'b', 'k')} and b._last_updated < now() returning 1)
select (select count(*)::int from gone) as buried, (select count(*)::int from done) as done, (select count(*)::int from fenced) as fenced`;
};

export type Settled = { buried: number; done: number; fenced: number };

const NOTHING: Settled = { buried: 0, done: 0, fenced: 0 };

/** A row that the application keeps locked or that the database refuses, or a deadlock, leaves the table for the next pass. */
async function settleTable(sql: Sql, plan: Plan, lockTimeoutMs: number): Promise<Settled> {
  const settled = await unlessBusy(sql, lockTimeoutMs, async (tx) => {
    const { name, lattice } = plan.table;
    const [unsettled] = await tx.unsafe<{ oldest: string; keys: string[][] }[]>(UNSETTLED, [name]);
    const { oldest, keys } = unsettled ?? { oldest: '0', keys: [] };
    const buried = lattice ? await buryLattices(tx, plan, keys.map((key) => changeOfKey(plan, key)).sort(byKey)) : 0;
    const [row] = await tx.unsafe<Settled[]>(statementOf(plan), [name, oldest]);
    return row && { ...row, buried: row.buried + buried };
  });
  return settled ?? NOTHING;
}

/** Held rows whose values are free by now, because a local transaction released them, move into the table. */
async function sweep(sql: Sql, plan: Plan, lockTimeoutMs: number): Promise<void> {
  await unlessBusy(sql, lockTimeoutMs, async (tx) => {
    if ((await readHolding(tx, [plan.table.name])).size > 0) await placeTable(tx, plan, []);
  });
}

async function unlessBusy<T>(
  sql: Sql,
  lockTimeoutMs: number,
  work: (tx: TransactionSql) => Promise<T>,
): Promise<T | undefined> {
  try {
    return (await sql.begin(async (tx) => {
      await setUp(tx, lockTimeoutMs);
      return work(tx);
    })) as T;
  } catch (error) {
    const meaning = meaningOf(error);
    if (meaning.kind === 'again' || meaning.kind === 'row') return undefined;
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
    const plan = planOf(table);
    const row = await settleTable(sql, plan, lockTimeoutMs);
    if (table.uniques.length > 0) await sweep(sql, plan, lockTimeoutMs);
    total.buried += row.buried;
    total.done += row.done;
    total.fenced += row.fenced;
  }
  return total;
}

/** What is left to do between batches: are there unsettled keys or held rows, are parked records due? */
export type Leftovers = { readonly unsettled: boolean; readonly due: boolean };

export async function readLeftovers(db: Db): Promise<Leftovers> {
  return leftoversOf(await sendLeftovers(db));
}

export function leftoversOf([leftovers]: readonly Leftovers[]): Leftovers {
  if (leftovers === undefined) throw new Error('what is left returned no row');
  return leftovers;
}

/** Sent when it returns. */
export const sendLeftovers = (db: Db): Sent<Leftovers[]> =>
  send(
    db,
    `select exists (select from concord.unsettled) or exists (select from concord.limbo) as unsettled,
       exists (select from concord.parked where retry_at <= now()) as due`,
    [],
  );

/** Names of tables with unsettled keys or held rows. */
export async function readUnsettled(db: Db): Promise<string[]> {
  const rows = await send<{ name: string }[]>(
    db,
    'select table_name as name from concord.unsettled union select table_name from concord.limbo order by 1',
    [],
  );
  return rows.map(({ name }) => name);
}
