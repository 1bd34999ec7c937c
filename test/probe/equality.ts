import type { Row } from './cloud.ts';

/** Queries one region; columns come as text. */
export type Query = (statement: string) => Promise<readonly Row[]>;

/** The Data API answers with 1 MB at most. */
const PAGE_ROWS = 500;

/**
 * What is compared of a table, one line of text per row: all columns but `_local`, which alone must differ, in the order of their
 * names. A tombstone under a newer row is left out: whether it is kept depends on what arrived together. The demo's tables all
 * have the key `id`.
 */
const contentOf = (table: string): string => /* sql */ `
  select 'row ' || (to_jsonb(t) - '_local')::text as line from public.${table} t
  union all
  select 'tombstone ' || (to_jsonb(b) - '_local')::text from concord_public.${table} b where not exists (
    select from public.${table} t where t.id = b.id and (t._last_updated, t._source_region) > (b._last_updated, b._source_region))`;

/** All lines of a table and its tombstones, in byte order. By offset: the Data API might take a row's text in a statement for its own. */
export async function linesOf(query: Query, table: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for (;;) {
    const rows = await query(
      `select line from (${contentOf(table)}) c order by line collate "C" limit ${PAGE_ROWS} offset ${lines.length}`,
    );
    lines.push(...rows.map(({ line }) => line ?? ''));
    if (rows.length < PAGE_ROWS) return lines;
  }
}

const SHOWN = 3;
const SHOWN_CHARACTERS = 200;

/** What only one side has, a few lines of it; empty when both are equal. */
export function differencesOf(
  table: string,
  [one, other]: readonly [readonly string[], readonly string[]],
  [oneName, otherName]: readonly [string, string],
): readonly string[] {
  const only = (here: readonly string[], there: readonly string[], name: string): string[] => {
    const known = new Set(there);
    const lines = here.filter((line) => !known.has(line));
    const shown = lines.slice(0, SHOWN).map((line) => `${table}, only in ${name}: ${line.slice(0, SHOWN_CHARACTERS)}`);
    return lines.length > SHOWN ? [...shown, `${table}, only in ${name}: and ${lines.length - SHOWN} more`] : shown;
  };
  return [...only(one, other, oneName), ...only(other, one, otherName)];
}

export type Comparison = { readonly lines: number; readonly differences: readonly string[] };

/** Compares both regions, table by table. */
export async function compare(
  queries: readonly [Query, Query],
  names: readonly [string, string],
  tables: readonly string[],
): Promise<Comparison> {
  let lines = 0;
  const differences: string[] = [];
  for (const table of tables) {
    const [one, other] = await Promise.all([linesOf(queries[0], table), linesOf(queries[1], table)]);
    lines += one.length;
    differences.push(...differencesOf(table, [one, other], names));
  }
  return { lines, differences };
}
