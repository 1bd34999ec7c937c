import type { KeyRange, RangeDigest, Reading } from '@concord/events';
import { arrayLiteral, ident, type Sql, type TransactionSql, unquoted } from '@concord/runtime';
import { hasTime, leftMs } from './deadline.ts';
import { versionHash } from './hash.ts';
import { inRange, inTable, keyValue, rangeParameters, readSources, type Source } from './source.ts';
import { type DigestTable, kindNamed } from './table.ts';

/** Neighbouring ranges that are read by one statement: where keys are random, each page is then visited once for all of them. */
const MOST_RANGES = 128;
/** What may be used of the time that is left before fewer ranges are tried. */
const SHARE = 0.4;

type Context = { readonly digest: DigestTable; readonly reading: Reading; readonly sources: readonly Source[] };

/** Digests of the first ranges, in their order: as many as time allows, at least one. */
export function digestRanges(
  sql: Sql,
  reading: Reading,
  ranges: readonly KeyRange[],
  deadlineMs: number | undefined,
): Promise<{ digests: RangeDigest[] }> {
  return inTable(sql, reading.table, async (tx, digest) => {
    // There are as many groups as ranges; the planner expects as many as rows, and would sort them on disk.
    await tx.unsafe('set local enable_sort = off');
    const context = { digest, reading, sources: await readSources(tx, digest, reading) };
    const digests: RangeDigest[] = [];
    let most = hasTime(deadlineMs) ? MOST_RANGES : 1;
    while (digests.length < ranges.length && (digests.length === 0 || hasTime(deadlineMs))) {
      const some = neighbours(ranges, digests.length, most);
      const found = await withinTime(tx, context, some, leftMs(deadlineMs) * SHARE);
      if (found === undefined) most = Math.ceil(some.length / 8);
      else digests.push(...found);
    }
    return { digests };
  });
}

/** Ranges from an index on, each of which ends where the next one begins. */
function neighbours(ranges: readonly KeyRange[], first: number, most: number): KeyRange[] {
  const some = ranges.slice(first, first + most);
  const isNext = (index: number): boolean => {
    const [end, start] = [some[index - 1]?.to, some[index]?.from];
    return end !== null && start !== null && JSON.stringify(end) === JSON.stringify(start);
  };
  const end = some.findIndex((_, index) => index > 0 && !isNext(index));
  return end < 0 ? some : some.slice(0, end);
}

/** Undefined where it takes too long; a single range is read however long it takes. */
async function withinTime(
  tx: TransactionSql,
  context: Context,
  ranges: readonly KeyRange[],
  limitMs: number,
): Promise<RangeDigest[] | undefined> {
  const timeoutMs = ranges.length === 1 || limitMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.floor(limitMs));
  try {
    return (await tx.savepoint(async (sp) => {
      await sp.unsafe(`set local statement_timeout = ${timeoutMs}`);
      return digestNeighbours(sp, context, ranges);
    })) as RangeDigest[];
  } catch (error) {
    if (timeoutMs > 0 && (error as { code?: string }).code === '57014') return undefined;
    throw error;
  }
}

const EMPTY: RangeDigest = { rows: 0, xor: '0', sum: '0' };

type Found = RangeDigest & { readonly range: number };

/** One statement, so that a version that moves from one place to another meanwhile is counted once. */
async function digestNeighbours(
  tx: TransactionSql,
  { digest, reading, sources }: Context,
  ranges: readonly KeyRange[],
): Promise<RangeDigest[]> {
  const whole: KeyRange = { from: ranges[0]?.from ?? null, to: ranges.at(-1)?.to ?? null };
  const parameters = rangeParameters(whole);
  const bucket = bucketOf(digest, ranges, parameters);
  const parts = sources.map(({ place, from, condition }) => {
    const hash = versionHash(digest, reading, place === 'tombstone' ? 'tombstone' : 'row');
    return `select v.range, count(*) as rows, bit_xor(v.hash) as xor, sum(v.hash) as sum
      from (select ${bucket} as range, ${hash} as hash from ${from} where ${condition} and ${inRange(digest, whole)}) v group by v.range`;
  });
  const found = await tx.unsafe<Found[]>(
    `select p.range, sum(p.rows)::float8 as rows, bit_xor(p.xor)::text as xor, sum(p.sum)::text as sum
     from (${parts.join(' union all ')}) p group by p.range`,
    parameters,
  );
  const byRange = new Map(found.map(({ range, rows, xor, sum }) => [range, { rows, xor, sum }]));
  return ranges.map((_, range) => byRange.get(range) ?? EMPTY);
}

/** The number, from 0, of the range that a key of `t` is in; the texts of where ranges begin are added to the parameters. */
function bucketOf(digest: DigestTable, ranges: readonly KeyRange[], parameters: string[]): string {
  const starts = ranges.slice(1).map(({ from }) => from ?? []);
  if (starts.length === 0) return '0';
  const { keyColumns } = digest;
  const [column] = keyColumns;
  // An array of records is searched at a fifth of the speed.
  const isPlain =
    column !== undefined &&
    keyColumns.length === 1 &&
    !column.viaText &&
    kindNamed(digest, column.name).scalar === unquoted(column.type);
  if (isPlain) {
    parameters.push(arrayLiteral(starts.map(([text]) => text ?? null)));
    return `width_bucket(t.${ident(column.name)}, $${parameters.length}::${column.type}[])`;
  }
  const records = starts.map((key) => {
    const values = keyColumns.map((part, index) => {
      parameters.push(key[index] ?? '');
      return keyValue(digest, part, parameters.length);
    });
    return `row(${values.join(', ')})`;
  });
  return `width_bucket(row(${keyColumns.map(({ name }) => `t.${ident(name)}`).join(', ')}), array[${records.join(', ')}])`;
}
