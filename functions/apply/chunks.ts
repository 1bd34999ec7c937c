/** At this size a statement costs least per row. */
const GREATEST = 2000;

/** Items in pieces of that size. */
export function chunksOf<T>(items: readonly T[]): T[][] {
  const chunks: T[][] = [];
  for (let at = 0; at < items.length; at += GREATEST) chunks.push(items.slice(at, at + GREATEST));
  return chunks;
}
