import { compareLives } from './lattice.ts';
import type { Stamp } from './stamp.ts';
import { EMPTY_VECTOR } from './vector.ts';
import type { Version } from './version.ts';

/** What a local write knows when it is stamped; the stamp trigger reads the same from its database. */
export type WriteContext = {
  /** The region's key, with incarnation. */
  readonly region: string;
  /** The region's clock, µs since 1970; it may be wrong and may step back. */
  readonly clock: Stamp;
  /** No stamp of this region may be lower: greatest horizon, announced closed timestamp and restore floor, plus 1 µs. */
  readonly floor: Stamp;
  /** The version that this write replaces in its table, and the tombstone of its key, where there are such. */
  readonly row?: Version | undefined;
  readonly tombstone?: Version | undefined;
};

/** The greatest stamp in a version's history: its own, but on a row that was counted, while its table had another policy. */
const lastOf = (version: Version | undefined): Stamp =>
  version === undefined
    ? -1
    : Math.max(version.stamp, ...(version.lattice === undefined ? [] : Object.values(version.vector)));

/**
 * The version that a local write makes: a stamp above everything it has seen, whatever the clocks say, and the parent's
 * vector with this region's entry set. The model of the stamp trigger in `functions/enroll`; a property test compares both.
 */
export function nextVersion(kind: Version['kind'], context: WriteContext): Version {
  const { region, clock, floor, row, tombstone } = context;
  const stamp = Math.max(clock, floor, lastOf(row) + 1, lastOf(tombstone) + 1);
  const parent = row && tombstone ? (compareLives(tombstone, row) >= 0 ? tombstone : row) : (row ?? tombstone);
  const vector = { ...(parent?.vector ?? EMPTY_VECTOR), [region]: stamp };
  return { kind, stamp, region, vector, writes: Math.max(row?.writes ?? 0, tombstone?.writes ?? 0) + 1 };
}
