import type { Stamp } from './stamp.ts';
import { seen, type Vector } from './vector.ts';

/**
 * What decides about one version of a row of a register table: when and where it was written and what it had seen.
 * A delete is a version too. A version never changes; a region that applies it stores it as it is.
 */
export type Version = {
  readonly kind: 'row' | 'tombstone';
  readonly stamp: Stamp;
  /** Region with incarnation, the key of the vector. Empty for rows that existed before enrolment. */
  readonly region: string;
  readonly vector: Vector;
  /** `_version`: writes in this version's history; it names a conflict (two inserts, or not) and decides nothing. */
  readonly writes: number;
};

/** Does `later`'s history contain `earlier`? One entry of the vector tells. */
export const hasSeen = (later: Version, earlier: Version): boolean =>
  seen(later.vector, earlier.region) >= earlier.stamp;
