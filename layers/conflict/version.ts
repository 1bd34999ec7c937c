import type { Lattice } from './lattice.ts';
import type { Ranked } from './order.ts';
import type { Stamp } from './stamp.ts';
import { seen, type Vector } from './vector.ts';

/**
 * What decides about one version of a row: when and where it was written and what it had seen. A delete is a version too.
 * A version never changes; a region that applies it stores it as it is, or, on a lattice table, joined with what it holds.
 */
export type Version = {
  readonly kind: 'row' | 'tombstone';
  readonly stamp: Stamp;
  /** Region with incarnation, the key of the vector. Empty for rows that existed before enrolment. */
  readonly region: string;
  readonly vector: Vector;
  /** `_version`: writes in this version's history; it names a conflict (two inserts, or not) and decides nothing. */
  readonly writes: number;
  /** Only of tables with secondary unique keys: the last write that changed any column of one. The earlier claim is visible. */
  readonly claim?: Ranked | undefined;
  /** Only of versions that the trigger of a lattice table made, or a join with one. */
  readonly lattice?: Lattice | undefined;
};

/** Does `later`'s history contain `earlier`? One entry of the vector tells. */
export const hasSeen = (later: Pick<Version, 'vector'>, earlier: Ranked | Version): boolean =>
  seen(later.vector, earlier.region) >= earlier.stamp;
