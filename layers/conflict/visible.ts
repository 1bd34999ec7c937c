import { compare, type Ranked } from './order.ts';

/** A live row as far as its secondary unique keys are concerned. */
export type Claimant = {
  /** The primary key's texts: the last tie-break, by bytes. */
  readonly key: string;
  readonly claim: Ranked;
  /** What it holds: one name per unique index and value, equal for equal values; none where NULL or a predicate frees it. */
  readonly holds: readonly string[];
};

/** The order in which rows get their unique values: the earlier claim first. Total: two rows never have one primary key. */
export function compareClaims(a: Claimant, b: Claimant): number {
  const claims = compare(a.claim, b.claim);
  if (claims !== 0) return claims;
  return a.key === b.key ? 0 : Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}

/**
 * Which rows are visible: greedily in the order of claims, each unless an earlier visible one holds any of its values. The others
 * are held, and nothing is deleted. A function of the set alone, so every region that has the same versions shows the same rows.
 */
export function visible<T extends Claimant>(claimants: readonly T[]): ReadonlySet<T> {
  const taken = new Set<string>();
  const shown = new Set<T>();
  for (const claimant of claimants.toSorted(compareClaims)) {
    if (claimant.holds.some((held) => taken.has(held))) continue;
    for (const held of claimant.holds) taken.add(held);
    shown.add(claimant);
  }
  return shown;
}
