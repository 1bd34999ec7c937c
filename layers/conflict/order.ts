import type { Stamp } from './stamp.ts';

/** What the order compares. */
export type Ranked = { readonly stamp: Stamp; readonly region: string };

/**
 * The total, strict order on the versions of one row: stamp, then region in byte order (collation "C" in SQL). Negative if
 * `a` is older, positive if newer, 0 only for one and the same version.
 */
export function compare(a: Ranked, b: Ranked): number {
  if (a.stamp !== b.stamp) return a.stamp < b.stamp ? -1 : 1;
  if (a.region === b.region) return 0;
  return a.region < b.region ? -1 : 1;
}

export const isNewer = (a: Ranked, b: Ranked): boolean => compare(a, b) > 0;
