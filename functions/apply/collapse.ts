import { join } from '@concord/conflict';
import type { Change } from './change.ts';
import { type Loss, mergeChanges } from './merge-changes.ts';

/** All versions of one row in a batch, joined. */
export type Group = {
  /** On a lattice table it may be a version that nobody wrote, which goes by the record of one of them. */
  readonly winner: Change;
  /** The versions that the winner does not go by: superseded within the batch. */
  readonly others: readonly Change[];
  readonly conflicts: readonly Loss[];
  /** What was joined pointwise: no single one of them stands for the winner. */
  readonly joined?: readonly Change[];
};

/** The order in which every applier takes its locks. */
export const byKey = (a: Pick<Change, 'key'>, b: Pick<Change, 'key'>): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : 0;

/** Joins the versions of one row; a collapse that kept the last, or only the greatest, would lose conflicts. */
export function groupOf(versions: readonly [Change, ...Change[]]): Group {
  if (versions.length === 1) return { winner: versions[0], others: [], conflicts: [] };
  if (versions.some(({ lattice }) => lattice !== undefined)) return joinedGroup(versions);
  const { winner, conflicts } = join(versions);
  return { winner, others: versions.filter((version) => version !== winner), conflicts };
}

function joinedGroup(versions: readonly [Change, ...Change[]]): Group {
  let winner = versions[0];
  const conflicts: Loss[] = [];
  for (const version of versions.slice(1)) {
    const merged = mergeChanges(winner, version);
    winner = merged.change;
    conflicts.push(...merged.conflicts);
  }
  return { winner, others: versions.filter(({ record }) => record !== winner.record), conflicts, joined: versions };
}

/**
 * The versions of one table as one group per row, ordered by key: every applier takes its locks in this order.
 * `sameRow` gives a row's identity where equal keys may print differently (1.5 and 1.50).
 */
export function collapse(changes: readonly Change[], sameRow?: ReadonlyMap<Change, number>): Group[] {
  const groups = new Map<string | number, [Change, ...Change[]]>();
  for (const change of changes.toSorted(byKey)) {
    const identity = sameRow?.get(change) ?? change.key;
    const group = groups.get(identity);
    if (group === undefined) groups.set(identity, [change]);
    else group.push(change);
  }
  return [...groups.values()].map(groupOf);
}

/** When PostgreSQL refuses a group: what of it is to blame, and what to try in its place. */
export function splitRefused({ winner, others, joined }: Group): {
  refused: readonly Change[];
  next: readonly Group[];
} {
  // Which of them the database does not take cannot be seen in what they have made together.
  if (joined !== undefined) return { refused: [], next: joined.map((version) => groupOf([version])) };
  const [next, ...rest] = others;
  return { refused: [winner], next: next === undefined ? [] : [groupOf([next, ...rest])] };
}
