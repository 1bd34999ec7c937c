import { CLAIM_COLUMN, LATTICE_COLUMNS } from '@concord/events';
import { type Db, ident, rowsOf, type Table, tombstonesOf } from '@concord/runtime';
import { schemaOf } from './names.ts';

type Definition = readonly [name: string, definition: string];

/** Constant defaults, so that adding the columns rewrites nothing: existing rows become the bottom version everywhere. */
const STAMP_COLUMNS: readonly Definition[] = [
  ['_version', 'bigint not null default 1'],
  ['_last_updated', `timestamptz not null default 'epoch'`],
  ['_source_region', `text collate "C" not null default ''`],
  ['_tx_id', 'bigint not null default 0'],
  ['_version_vector', `jsonb not null default '{}'`],
  ['_local', 'boolean not null default false'],
];

export const STAMP_COLUMN_NAMES: readonly string[] = STAMP_COLUMNS.map(([name]) => name);

/** Versions from before have NULL there: those of a register table, and a claim as old as the version. */
const LATTICE: readonly Definition[] = LATTICE_COLUMNS.map((name) => [name, 'jsonb']);
const CLAIM: Definition = [CLAIM_COLUMN, 'jsonb'];

const adds = (definitions: readonly Definition[]): string =>
  definitions.map(([name, definition]) => `add column if not exists ${ident(name)} ${definition}`).join(', ');

export const addStampColumns = (table: Table): string => `alter table ${rowsOf(table)} ${adds(STAMP_COLUMNS)}`;

export const dropOwnColumns = (table: Table): string =>
  `alter table ${rowsOf(table)} ${[...STAMP_COLUMN_NAMES, ...LATTICE_COLUMNS, CLAIM_COLUMN]
    .map((name) => `drop column if exists ${ident(name)}`)
    .join(', ')}`;

/**
 * What a policy or a unique index needs beside the stamps, where it is missing: a lock on the table is taken only then. Columns
 * that are no longer needed stay, because versions that were made under the former policy are still on their way.
 */
export async function addNeededColumns(db: Db, table: Table, needsLattice: boolean): Promise<void> {
  const rows = [
    ...(needsLattice && !table.lattice ? LATTICE : []),
    ...(table.uniques.length > 0 && !table.claims ? [CLAIM] : []),
  ];
  if (rows.length > 0) await db.unsafe(`alter table ${rowsOf(table)} ${adds(rows)}`);
  if (needsLattice && !table.lattice) await db.unsafe(`alter table ${tombstonesOf(table)} ${adds(LATTICE)}`);
}

/** The tombstone table: the key's very types and collations, so that equality is the type's and not the text's. */
export function createTombstoneTable(table: Table): string[] {
  const key = table.key.map(({ name }) => ident(name)).join(', ');
  return [
    `create schema if not exists ${schemaOf(table)}`,
    `create table ${tombstonesOf(table)} as select ${key} from ${rowsOf(table)} with no data`,
    `alter table ${tombstonesOf(table)} add column image json, ${adds(STAMP_COLUMNS)}, add primary key (${key}), replica identity full`,
  ];
}
