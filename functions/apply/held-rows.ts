import { type TransactionSql, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { columnArrays, keyColumns, matchKey, type Plan, POSITION } from './plan.ts';
import { meaningOf } from './sqlstate.ts';

/** The positions of keys whose row or tombstone exists and cannot be locked at once. */
const heldIn = (plan: Plan, relation: string): string => /* sql */ `
with k as materialized (${unnestColumns(keyColumns(plan))}, generate_series(1, $${plan.keyNames.length + 1}::int) as ${POSITION}),
free as materialized (select k.${POSITION} as n from k join ${relation} s on ${matchKey(plan, 's', 'k')} for update of s skip locked)
select k.${POSITION} as n from k join ${relation} s on ${matchKey(plan, 's', 'k')} where k.${POSITION} not in (select n from free)`;

/**
 * The changes whose rows another transaction holds right now, found without waiting: waiting for each in turn would let one
 * idle session stop a partition. All of them where the table itself is locked.
 */
export async function heldRows(
  tx: TransactionSql,
  plan: Plan,
  changes: readonly Change[],
): Promise<ReadonlySet<Change>> {
  try {
    return (await tx.savepoint((sp) => findHeld(sp, plan, changes))) as ReadonlySet<Change>;
  } catch (error) {
    const meaning = meaningOf(error);
    if (meaning.kind === 'row') return new Set(meaning.reason === 'locked' ? changes : []);
    throw error;
  }
}

async function findHeld(tx: TransactionSql, plan: Plan, changes: readonly Change[]): Promise<Set<Change>> {
  await tx.unsafe(`lock table ${plan.rows}, ${plan.tombstones} in row exclusive mode nowait`);
  const parameters = [...columnArrays(keyColumns(plan), changes), changes.length];
  const held = new Set<Change>();
  for (const relation of [plan.rows, plan.tombstones])
    for (const { n } of await tx.unsafe<{ n: number }[]>(heldIn(plan, relation), parameters))
      held.add(changes[n - 1] as Change);
  return held;
}
