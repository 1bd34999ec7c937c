import type { TransactionSql } from '@concord/runtime';
import type { Change, Refusal } from './change.ts';
import { type Group, groupOf } from './collapse.ts';
import { heldRows } from './held-rows.ts';
import type { Plan } from './plan.ts';
import type { ReasonCode } from './reasons.ts';
import { meaningOf } from './sqlstate.ts';
import { type Written, writeTable } from './write-table.ts';

export type Isolated = Written & { readonly refused: readonly Refusal<ReasonCode>[] };

/**
 * As `writeTable`, but a row that the database refuses is found by halving, each half under a savepoint, and comes back as
 * refused; all others are written. Of a refused group the next best version is tried in its place.
 */
export async function isolateTable(tx: TransactionSql, plan: Plan, groups: readonly Group[]): Promise<Isolated> {
  if (groups.length === 0) return { superseded: [], conflicts: 0, refused: [] };
  try {
    const written = await tx.savepoint((sp) => writeTable(sp, plan, groups));
    return { ...written, refused: [] };
  } catch (error) {
    const meaning = meaningOf(error);
    if (meaning.kind === 'again' || meaning.kind === 'away') throw error;
    const reason = meaning.kind === 'row' ? meaning.reason : 'refused';
    if (reason === 'locked') return withoutHeld(tx, plan, groups, error as Error);
    const [only] = groups;
    if (groups.length === 1 && only !== undefined) return withoutWinner(tx, plan, only, reason, error as Error);
    return inHalves(tx, plan, groups);
  }
}

async function inHalves(tx: TransactionSql, plan: Plan, groups: readonly Group[]): Promise<Isolated> {
  const half = Math.ceil(groups.length / 2);
  const first = await isolateTable(tx, plan, groups.slice(0, half));
  return plus(first, await isolateTable(tx, plan, groups.slice(half)));
}

/** All versions of the rows that somebody holds are refused together. What is waited for without a row to see is found by halving. */
async function withoutHeld(tx: TransactionSql, plan: Plan, groups: readonly Group[], error: Error): Promise<Isolated> {
  const winners = groups.map(({ winner }) => winner);
  const held = groups.length === 1 ? new Set(winners) : await heldRows(tx, plan, winners);
  if (held.size === 0) return inHalves(tx, plan, groups);
  const refused = groups
    .filter(({ winner }) => held.has(winner))
    .flatMap(({ winner, others }) => [winner, ...others])
    .map((change) => ({ record: change.record, change, reason: 'locked' as const, error: error.message }));
  const free = groups.filter(({ winner }) => !held.has(winner));
  return plus({ superseded: [], conflicts: 0, refused }, await isolateTable(tx, plan, free));
}

async function withoutWinner(
  tx: TransactionSql,
  plan: Plan,
  group: Group,
  reason: ReasonCode,
  error: Error,
): Promise<Isolated> {
  const change = group.winner;
  const refused = [{ record: change.record, change, reason, error: error.message }];
  const [next, ...rest] = group.others;
  if (next === undefined) return { superseded: [], conflicts: 0, refused };
  return plus(
    { superseded: [], conflicts: 0, refused },
    await isolateTable(tx, plan, [groupOf([next, ...rest] as [Change, ...Change[]])]),
  );
}

const plus = (a: Isolated, b: Isolated): Isolated => ({
  superseded: [...a.superseded, ...b.superseded],
  conflicts: a.conflicts + b.conflicts,
  refused: [...a.refused, ...b.refused],
});
