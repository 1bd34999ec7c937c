import { type Conflict, join } from '@concord/conflict';
import type { Change } from './change.ts';

/** All versions of one row in a batch, joined. */
export type Group = {
  readonly winner: Change;
  /** The versions that are not the winner: superseded within the batch. */
  readonly others: readonly Change[];
  readonly conflicts: readonly Conflict<Change>[];
};

const byKey = (a: Change, b: Change): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** Joins the versions of one row; a collapse that kept the last, or only the greatest, would lose conflicts. */
export function groupOf(versions: readonly [Change, ...Change[]]): Group {
  if (versions.length === 1) return { winner: versions[0], others: [], conflicts: [] };
  const { winner, conflicts } = join(versions);
  return { winner, others: versions.filter((version) => version !== winner), conflicts };
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
