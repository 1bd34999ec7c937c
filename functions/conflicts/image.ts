/** An image as a notice carries it. */
export type CutImage = { readonly image: Record<string, string | null> | null; readonly complete: boolean };

const COLUMN_BYTES = 1000;
const IMAGE_BYTES = 8000;

const textOf = (value: unknown): string | null =>
  value === null || typeof value === 'string' ? value : JSON.stringify(value);

/**
 * What of an image fits into a notice: columns of at most 1,000 bytes, 8,000 in all. Others are left out whole: half a value would
 * look like one. `json` is null where there is no image or where it was too large to be read (`bytes`).
 */
export function cutImage(json: string | null, bytes: number | null): CutImage {
  if (json === null) return { image: null, complete: bytes === null };
  const columns: unknown = JSON.parse(json);
  if (typeof columns !== 'object' || columns === null) return { image: null, complete: columns === null };
  const all = Object.entries(columns);
  const kept: [string, string | null][] = [];
  let total = 0;
  for (const [name, value] of all) {
    const size = Buffer.byteLength(JSON.stringify(value));
    if (size > COLUMN_BYTES || total + size + name.length > IMAGE_BYTES) continue;
    total += size + name.length;
    kept.push([name, textOf(value)]);
  }
  return { image: Object.fromEntries(kept), complete: kept.length === all.length };
}
