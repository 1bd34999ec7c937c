import { type Db, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { columnArrays, keyColumns, nameList, type Plan, POSITION } from './plan.ts';

/**
 * Which changes are versions of one row, where equal keys may print differently (numeric 1.5 and 1.50, citext): the type's
 * own equality says, not the text's. Undefined where the text is enough.
 */
export async function sameRows(
  db: Db,
  plan: Plan,
  changes: readonly Change[],
): Promise<ReadonlyMap<Change, number> | undefined> {
  if (plan.table.key.every(({ canonical }) => canonical)) return undefined;
  const keys = nameList(keyColumns(plan));
  const rows = await db.unsafe<{ row: string }[]>(
    `select dense_rank() over (order by ${keys}) as row from (${unnestColumns(keyColumns(plan))}, generate_series(1, $${plan.keyNames.length + 1}::int) as ${POSITION}) k order by k.${POSITION}`,
    [...columnArrays(keyColumns(plan), changes), changes.length],
  );
  return new Map(changes.map((change, index) => [change, Number(rows[index]?.row)]));
}
