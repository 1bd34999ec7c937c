import type { DigestAnswers, DigestRequest, Key, KeyRange, RangeDigest, Reading } from '@concord/events';
import { answer } from '../../functions/digest/digest.ts';
import type { Region } from './regions.ts';

export type Ask = <Do extends DigestRequest['do']>(
  request: Extract<DigestRequest, { do: Do }>,
  deadlineMs?: number,
) => Promise<DigestAnswers[Do]>;

/** What a region's digest function answers, logged in as it is. */
export function asking({ name, database, topology }: Region): Ask {
  const sql = database.connect({ user: 'concord_operator' });
  return (request, deadlineMs) => answer(sql, request, { region: name, topology, deadlineMs });
}

export const ALL: KeyRange = { from: null, to: null };

/** Of every version and every column of a table that the region has, unless something else is said. */
export async function readingOf(ask: Ask, table: string, more: Partial<Reading> = {}): Promise<Reading> {
  const { tables } = await ask({ do: 'state', tables: [table] });
  const columns = (tables[table]?.columns ?? []).map(({ name }) => name);
  return { table, mode: 'full', hashing: 'record', columns, horizonUs: 0, sinceUs: 0, ...more };
}

export const rangesBetween = (boundaries: readonly Key[]): KeyRange[] =>
  [...boundaries, null].map((to, index) => ({ from: boundaries[index - 1] ?? null, to }));

export const wholeOf = async (ask: Ask, reading: Reading): Promise<RangeDigest> =>
  (await ask({ do: 'digest', reading, ranges: [ALL] })).digests[0] as RangeDigest;

/** The digest of the union of ranges. */
export const together = (digests: readonly RangeDigest[]): RangeDigest => ({
  rows: digests.reduce((rows, digest) => rows + digest.rows, 0),
  xor: String(digests.reduce((xor, digest) => BigInt.asIntN(64, xor ^ BigInt(digest.xor)), 0n)),
  sum: String(digests.reduce((sum, digest) => sum + BigInt(digest.sum), 0n)),
});
