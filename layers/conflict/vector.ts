import type { Stamp } from './stamp.ts';

/**
 * Per region (with incarnation) the stamp of its last write in a version's parent chain; an absent entry counts as 0.
 * Stamps, not counts: counts are used again after a tombstone was collected or a database restored.
 */
export type Vector = Readonly<Record<string, Stamp>>;

export const EMPTY_VECTOR: Vector = Object.freeze({});

/** The stamp of the last write of `region` that a version with this vector has seen. */
export const seen = (vector: Vector, region: string): Stamp =>
  Object.hasOwn(vector, region) ? (vector[region] ?? 0) : 0;

/** Reads the text of a `_version_vector`; the contract in `events/change.ts` has checked its shape. */
export const parseVector = (text: string): Vector => JSON.parse(text);
