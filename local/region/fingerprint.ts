import type { Sql } from '@concord/runtime';

/** What one region holds of one table, tombstones included, as one hash. */
export type TableFingerprint = {
  readonly table: string;
  readonly rows: number;
  readonly tombstones: number;
  /** Rows that are not visible because an earlier one holds one of their unique values. */
  readonly held: number;
  readonly hash: string;
};

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Whether a row was written here or applied is the one thing that must differ between regions. */
const NOT_COMPARED = '_local';

/**
 * Hashes the whole content of a table, of its tombstones and of its held rows: every column's text, stamps included, in an order that
 * depends on nothing but that text. A tombstone under a newer live row is left out: whether it is kept depends on what
 * arrived together. Deliberately shares no code with what it checks, and runs as `postgres`.
 */
export async function fingerprint(sql: Sql, table: string): Promise<TableFingerprint> {
  const content = await contentOf(sql, table);
  const [live, dead, held] = [
    await hashOf(sql, content.rows),
    await hashOf(sql, content.tombstones),
    await hashOf(sql, content.held),
  ];
  const hash = `${live.hash} ${dead.hash} ${held.hash}`;
  return { table, rows: live.count, tombstones: dead.count, held: held.count, hash };
}

/** What is compared of a table. */
export const KINDS = ['rows', 'tombstones', 'held'] as const;
export type Content = Readonly<Record<(typeof KINDS)[number], string>>;

/** Queries for what is compared of a table. */
export async function contentOf(sql: Sql, table: string): Promise<Content> {
  const dot = table.indexOf('.');
  const [schema, name] = [table.slice(0, dot), table.slice(dot + 1)];
  const rows = `${quote(schema)}.${quote(name)}`;
  const tombstones = `${quote(`concord_${schema}`)}.${quote(name)}`;
  const key = await keyOf(sql, rows);
  const sameKey = key.map((column) => `t.${quote(column)} = b.${quote(column)}`).join(' and ');
  const rowColumns = await columnsOf(sql, rows);
  const rank = rowColumns.includes(INCARNATION) ? lifeOf : stampOf;
  const overruled = `select from ${rows} t where ${sameKey} and ${rank('t')} > ${rank('b')}`;
  const list = (columns: readonly string[], alias: string): string =>
    columns.map((column) => `${alias}.${quote(column)}`).join(', ');
  return {
    rows: `select ${list(rowColumns, 't')} from ${rows} t`,
    tombstones: `select ${list(await columnsOf(sql, tombstones), 'b')} from ${tombstones} b where not exists (${overruled})`,
    held: `select l.key, l.event::jsonb as event from concord.limbo l where l.table_name = ${literal(table)}`,
  };
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const INCARNATION = '_incarnation';

/** Register tables: the greater version decides. */
const stampOf = (alias: string): string => `(${alias}._last_updated, ${alias}._source_region)`;

/** Lattice tables: the later life does. A version of before the table became one is a life of its own. */
const lifeOf = (alias: string): string =>
  `(coalesce((${alias}._incarnation ->> 0)::int8, (extract(epoch from ${alias}._last_updated) * 1000000)::int8),
    coalesce(${alias}._incarnation ->> 1, ${alias}._source_region) collate "C")`;

/** Every row of a query by the hash of its text, to show which ones differ. */
export async function rowHashes(sql: Sql, query: string): Promise<Map<string, string>> {
  const rows = await sql.unsafe<{ hash: string; text: string }[]>(
    `select md5(r::text) as hash, r::text as text from (${query}) r`,
  );
  return new Map(rows.map(({ hash, text }) => [hash, text]));
}

async function hashOf(sql: Sql, query: string): Promise<{ count: number; hash: string }> {
  const [row] = await sql.unsafe<{ count: number; hash: string }[]>(
    `select count(*)::int as count, md5(coalesce(string_agg(md5(r::text), '' order by md5(r::text) collate "C"), '')) as hash
     from (${query}) r`,
  );
  return row ?? { count: 0, hash: '' };
}

/** Columns by name: their order may differ between databases that were migrated differently. */
async function columnsOf(sql: Sql, relation: string): Promise<string[]> {
  const columns = await sql<{ name: string }[]>`
    select attname as name from pg_attribute where attrelid = ${relation}::text::regclass and attnum > 0
      and not attisdropped and attname <> ${NOT_COMPARED} order by attname collate "C"`;
  return columns.map(({ name }) => name);
}

/** Columns that the index only includes are none of its key. */
async function keyOf(sql: Sql, relation: string): Promise<string[]> {
  const columns = await sql<{ name: string }[]>`
    select a.attname as name from pg_index i cross join unnest(i.indkey::int2[]) with ordinality k (attnum, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = ${relation}::text::regclass and i.indisprimary and k.position <= i.indnkeyatts`;
  return columns.map(({ name }) => name);
}
