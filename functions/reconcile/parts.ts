import type { Key, KeyRange } from '@concord/events';
import type { Part } from './stored.ts';

const ROWS_PER_RANGE = 2000;
const RANGES_PER_PART = 64;
/** A table has at most about so many ranges: a huge one has larger ranges, so that the list of its parts stays small. */
const MAX_RANGES = 50_000;

/** Rows of a range of a table with so many rows. */
export const rowsPerRange = (rows: number): number => Math.max(ROWS_PER_RANGE, Math.ceil(rows / MAX_RANGES));

/** All keys, cut at the boundaries; at least one part, also of an empty table. */
export function partsOf(boundaries: readonly Key[]): Part[] {
  const edges: (Key | null)[] = [null, ...boundaries, null];
  const ranges = edges.slice(1).map((to, index): KeyRange => ({ from: edges[index] ?? null, to }));
  const parts: Part[] = [];
  for (let start = 0; start < ranges.length; start += RANGES_PER_PART)
    parts.push({ ranges: ranges.slice(start, start + RANGES_PER_PART) });
  return parts;
}
