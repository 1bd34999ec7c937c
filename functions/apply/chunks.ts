/** At this size a statement costs least per row. */
const GREATEST = 2000;

/** Items in pieces of `greatest`. `first` makes the first piece smaller and each next one half as large again. */
export function chunksOf<T>(items: readonly T[], first = GREATEST, greatest = GREATEST): T[][] {
  const chunks: T[][] = [];
  for (let at = 0, size = first; at < items.length; at += size, size = Math.min(greatest, Math.ceil(size * 1.5)))
    chunks.push(items.slice(at, at + size));
  return chunks;
}
