/**
 * The rank of a write: microseconds since 1970-01-01 UTC, as PostgreSQL's timestamptz holds them. A safe integer until the
 * year 2255; anything later is beyond every drift limit and is parked before it gets here.
 */
export type Stamp = number;

const two = (text: string, at: number): number => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48;

const micros = (fraction: string): number => (fraction === '' ? 0 : Number(fraction.padEnd(6, '0')));

/**
 * `parseStamp('2026-11-21 07:04:02.516581+00')` is `1795244642516581`. The text must be PostgreSQL's ISO style in UTC (the
 * contract in `events/change.ts` checks the shape); a date that does not exist gives `undefined`.
 */
export function parseStamp(text: string): Stamp | undefined {
  const year = two(text, 0) * 100 + two(text, 2);
  const [month, day, hour, minute, second] = [two(text, 5), two(text, 8), two(text, 11), two(text, 14), two(text, 17)];
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  if (year < 100 || new Date(ms).getUTCDate() !== day) return undefined;
  const stamp = ms * 1000 + (text[19] === '.' ? micros(text.slice(20, text.indexOf('+', 20))) : 0);
  return Number.isSafeInteger(stamp) && stamp >= 0 ? stamp : undefined;
}

/** The inverse of `parseStamp`, always with six decimals, as text that PostgreSQL reads. */
export function formatStamp(stamp: Stamp): string {
  const ms = Math.floor(stamp / 1000);
  const iso = new Date(ms).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}${String(stamp - ms * 1000).padStart(3, '0')}+00`;
}
