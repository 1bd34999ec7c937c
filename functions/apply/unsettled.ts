import { type Db, send } from '@concord/runtime';
import type { Change } from './change.ts';
import { columnArrays, keyColumns, type Plan } from './plan.ts';

/** Notes keys of applied tombstones whose row was absent: a local insert in flight may not have seen them (see `settle.ts`). */
export async function noteUnsettled(db: Db, plan: Plan, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return;
  const keys = plan.keyNames.map((_, index) => `unnest($${index + 2}::text[])`);
  await send(
    db,
    `insert into concord.unsettled (table_name, key) select $1::text, array[${keys.map((_, i) => `k.k${i}`)}]
     from (select ${keys.map((key, i) => `${key} as k${i}`)}) k`,
    [plan.table.name, ...columnArrays(keyColumns(plan), changes)],
  );
}
