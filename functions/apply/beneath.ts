import { type Db, send, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { columnArrays, isRuled, keyColumns, keyText, matchKey, type Plan } from './plan.ts';

/** Of rows just inserted those that lie beneath a tombstone, committed since the tombstones were read: a later statement sees it. */
export async function readBeneath(db: Db, plan: Plan, rows: readonly Change[]): Promise<Change[]> {
  if (rows.length === 0) return [];
  const found = await send<{ key: string }[]>(
    db,
    `select ${keyText(plan, 't')} as key from (${unnestColumns(keyColumns(plan))}) k
     join ${plan.rows} t on ${matchKey(plan, 't', 'k')} join ${plan.tombstones} b on ${matchKey(plan, 'b', 'k')}
     where ${isRuled(plan, 't', 'b')}`,
    columnArrays(keyColumns(plan), rows),
  );
  const keys = new Set(found.map(({ key }) => key));
  return rows.filter(({ key }) => keys.has(key));
}
