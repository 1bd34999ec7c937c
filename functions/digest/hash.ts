import { LATTICE_COLUMNS, type Reading, STAMP_COLUMNS } from '@concord/events';
import { type Column, ident, printed } from '@concord/runtime';
import { type DigestTable, kindNamed } from './table.ts';

/*
 * A version becomes 64 bits that are equal in two regions exactly where what a reading covers is equal. Of its parts a record is
 * made, which keeps NULL apart from the empty text and neighbours apart from each other. Aliases: `t` is a version.
 */

const SEEDS = { row: 7_110_001, tombstone: 7_110_002 } as const;
export type Hashed = keyof typeof SEEDS;

export type Hashing = Reading['hashing'];

/** A record of these parts as 64 bits: by the types' own hash functions, or by what PostgreSQL prints. */
export function hashOf(parts: readonly string[], hashing: Hashing, seed: number): string {
  if (hashing === 'record') return `hash_record_extended(row(${parts.join(', ')}), ${seed})`;
  return `('x' || substr(md5(row(${[String(seed), ...parts].join(', ')})::text), 1, 16))::bit(64)::int8`;
}

/** One text for all that is equal, where a type has several: PostgreSQL's own comparison ignores what is left out here. */
const EQUAL_TEXTS: Readonly<Record<string, (value: string) => string>> = {
  'pg_catalog.numeric': (value) => `trim_scale(${value})::text`,
  'pg_catalog.float4': (value) => `(case when ${value} = 0 then 0 else ${value} end)::text`,
  'pg_catalog.float8': (value) => `(case when ${value} = 0 then 0 else ${value} end)::text`,
  'pg_catalog.bpchar': (value) => `${value}::text`,
  citext: (value) => `lower(${value}::text)`,
};

/** A text of a key column that is the same for equal values. */
function equalText(digest: DigestTable, column: Column, hashing: Hashing): string {
  const { canonical, stable, scalar } = kindNamed(digest, column.name);
  if (canonical) return printed('t', column);
  const value = `t.${ident(column.name)}`;
  const spell = EQUAL_TEXTS[scalar ?? ''];
  if (spell !== undefined) return spell(value);
  // Two hashes of 64 bits: two keys of one table that share both do not occur.
  if (stable && hashing === 'record')
    return [1, 2].map((seed) => `${hashOf([value], hashing, seed)}::text`).join(` || ' ' || `);
  return printed('t', column);
}

/** The same for keys that are equal, and only for those. */
export const idOf = (digest: DigestTable, hashing: Hashing): string =>
  `jsonb_build_array(${digest.keyColumns.map((column) => equalText(digest, column, hashing)).join(', ')})::text`;

function keyPart(digest: DigestTable, column: Column, hashing: Hashing): string {
  const { identity, canonical, stable } = kindNamed(digest, column.name);
  const native = identity || (!canonical && stable);
  return native && hashing === 'record'
    ? `t.${ident(column.name)}`
    : `(${equalText(digest, column, hashing)}) collate "C"`;
}

/**
 * All texts of a vector come from one place, so it is hashed as it is: the text of a jsonb costs more than the rest of a row. Texts are
 * compared byte by byte, also those of a collation that takes some for equal.
 */
function columnPart(digest: DigestTable, column: Column): string {
  const native = kindNamed(digest, column.name).identity || column.name === '_version_vector';
  return native ? `t.${ident(column.name)}` : `(${printed('t', column)}) collate "C"`;
}

const byName = (a: Column, b: Column): number => (a.name < b.name ? -1 : 1);

/** A tombstone's own columns that tell what it is; its image only tells people what was deleted. */
const TOMBSTONE: ReadonlySet<string> = new Set([...STAMP_COLUMNS, ...LATTICE_COLUMNS]);

/** Of a version as `t`. Throws where the reading covers a column that the table lacks here. */
export function versionHash(digest: DigestTable, reading: Reading, hashed: Hashed): string {
  const { hashing, mode } = reading;
  const parts = digest.keyColumns.map((column) => keyPart(digest, column, hashing));
  if (mode !== 'full')
    parts.push(...(digest.table.lattice ? ['t._version_vector'] : ['t._last_updated', 't._source_region']));
  else parts.push(...coveredColumns(digest, reading, hashed).map((column) => columnPart(digest, column)));
  return hashOf(parts, hashing, SEEDS[hashed]);
}

function coveredColumns(digest: DigestTable, { columns }: Reading, hashed: Hashed): Column[] {
  for (const name of columns) kindNamed(digest, name);
  const covered = new Set([...columns, '_last_updated', '_source_region', '_version_vector']);
  const isCovered = ({ name }: Column): boolean => covered.has(name) && (hashed === 'row' || TOMBSTONE.has(name));
  return digest.rowColumns.filter(isCovered).sort(byName);
}
