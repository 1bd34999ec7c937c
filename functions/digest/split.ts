import type { DigestAnswers, Key } from '@concord/events';
import { printed, type Sql, type TransactionSql } from '@concord/runtime';
import { inTable, keyOrder } from './source.ts';
import type { DigestTable } from './table.ts';

/** Smaller tables are read to the end: what is read is no more than a few ranges. */
const EXACT_ROWS = 50_000;
/** Pages of a large table that are sampled for each range, at most such a share of all: rows of one page often are neighbours. */
const PAGES_PER_RANGE = 12;
const MOST = 0.03;

/** Where ranges of about so many rows begin, in key order; none where the table is no larger than one. */
export function splitTable(sql: Sql, name: string, rows: number): Promise<DigestAnswers['split']> {
  return inTable(sql, name, async (tx, digest) => {
    const estimate = await estimateRows(tx, digest.rows);
    const parts = (of: number): number => Math.max(1, Math.round(of / rows));
    if (estimate > EXACT_ROWS) {
      const pages = await countPages(tx, digest.rows);
      const share = Math.min(MOST, (parts(estimate) * PAGES_PER_RANGE) / Math.max(1, pages));
      return { boundaries: await cut(tx, digest, `tablesample system (${share * 100})`, parts(estimate)) };
    }
    return { boundaries: await cut(tx, digest, '', parts(await countRows(tx, digest.rows))) };
  });
}

/** The first keys of all parts but the first. */
async function cut(tx: TransactionSql, digest: DigestTable, sample: string, parts: number): Promise<Key[]> {
  if (parts === 1) return [];
  const found = await tx.unsafe<{ key: Key }[]>(
    `select to_json(array[${digest.keyColumns.map((column) => printed('t', column)).join(', ')}]::text[]) as key
     from (select ${keyOrder(digest, 's')}, row_number() over (order by ${keyOrder(digest, 's')}) - 1 as "concord n", count(*) over () as "concord of"
       from ${digest.rows} s ${sample}) t
     where "concord n" > 0 and "concord n" * ${parts} / "concord of" <> ("concord n" - 1) * ${parts} / "concord of" order by "concord n"`,
  );
  return found.map(({ key }) => key);
}

/** The planner's estimate knows the table's present size, and that of all its partitions. */
export async function estimateRows(tx: TransactionSql, relation: string): Promise<number> {
  const [row] = await tx.unsafe<{ 'QUERY PLAN': readonly { Plan: { 'Plan Rows': number } }[] }[]>(
    `explain (format json) select from ${relation}`,
  );
  return row?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0;
}

async function countPages(tx: TransactionSql, relation: string): Promise<number> {
  const [row] = await tx.unsafe<{ pages: number }[]>(
    `select (sum(pg_relation_size(c.oid)) / current_setting('block_size')::int)::float8 as pages
     from pg_class c where c.oid = $1::text::regclass or c.oid in (select p.relid from pg_partition_tree($1::text::regclass) p)`,
    [relation],
  );
  return row?.pages ?? 0;
}

/** Exact; for tables of which the estimate is small. */
export async function countRows(tx: TransactionSql, relation: string): Promise<number> {
  const [row] = await tx.unsafe<{ rows: number }[]>(`select count(*)::float8 as rows from ${relation}`);
  return row?.rows ?? 0;
}

export const SMALL_ROWS = EXACT_ROWS;
