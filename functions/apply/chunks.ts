/** At this size a statement costs least per row. */
const GREATEST = 2000;

/** Items in pieces of `greatest`. `first` makes the first piece smaller and each next one twice as large, so that the server starts early. */
export function chunksOf<T>(items: readonly T[], first = GREATEST, greatest = GREATEST): T[][] {
  const chunks: T[][] = [];
  for (let at = 0, size = first; at < items.length; at += size, size = Math.min(greatest, size * 2))
    chunks.push(items.slice(at, at + size));
  return chunks;
}
