import type { Sql } from '@concord/runtime';

/** What one region holds of one table, tombstones included, as one hash. */
export type TableFingerprint = {
  readonly table: string;
  readonly rows: number;
  readonly tombstones: number;
  readonly hash: string;
};

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Whether a row was written here or applied is the one thing that must differ between regions. */
const NOT_COMPARED = '_local';

/**
 * Hashes the whole content of a table and of its tombstones: every column's text, stamps included, in an order that
 * depends on nothing but that text. Deliberately shares no code with what it checks, and runs as `postgres`.
 */
export async function fingerprint(sql: Sql, table: string): Promise<TableFingerprint> {
  const dot = table.indexOf('.');
  const [schema, name] = [table.slice(0, dot), table.slice(dot + 1)];
  const [rows, tombstones] = [await hashOf(sql, schema, name), await hashOf(sql, `concord_${schema}`, name)];
  return { table, rows: rows.count, tombstones: tombstones.count, hash: `${rows.hash} ${tombstones.hash}` };
}

/** The hash of every row by its own text, to show which rows differ. */
export async function rowHashes(sql: Sql, schema: string, table: string): Promise<Map<string, string>> {
  const rows = await sql.unsafe<{ hash: string; text: string }[]>(
    `select md5(r::text) as hash, r::text as text from (${await comparedRows(sql, schema, table)}) r`,
  );
  return new Map(rows.map(({ hash, text }) => [hash, text]));
}

async function hashOf(sql: Sql, schema: string, table: string): Promise<{ count: number; hash: string }> {
  const [row] = await sql.unsafe<{ count: number; hash: string }[]>(
    `select count(*)::int as count, md5(coalesce(string_agg(md5(r::text), '' order by md5(r::text) collate "C"), '')) as hash
     from (${await comparedRows(sql, schema, table)}) r`,
  );
  return row ?? { count: 0, hash: '' };
}

/** Columns by name: their order may differ between databases that were migrated differently. */
async function comparedRows(sql: Sql, schema: string, table: string): Promise<string> {
  const columns = await sql<{ name: string }[]>`
    select a.attname as name from pg_attribute a join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = ${table} and a.attnum > 0 and not a.attisdropped
      and a.attname <> ${NOT_COMPARED} order by a.attname collate "C"`;
  if (columns.length === 0) throw new Error(`${schema}.${table} does not exist`);
  return `select ${columns.map(({ name }) => quote(name)).join(', ')} from ${quote(schema)}.${quote(table)}`;
}
