import { ident, type Table } from '@concord/runtime';
import { rowTable, schemaOf, tombstoneTable } from './names.ts';

/** Constant defaults, so that adding the columns rewrites nothing: existing rows become the bottom version everywhere. */
const STAMP_COLUMNS: readonly (readonly [name: string, definition: string])[] = [
  ['_version', 'bigint not null default 1'],
  ['_last_updated', `timestamptz not null default 'epoch'`],
  ['_source_region', `text collate "C" not null default ''`],
  ['_tx_id', 'bigint not null default 0'],
  ['_version_vector', `jsonb not null default '{}'`],
  ['_local', 'boolean not null default false'],
];

export const STAMP_COLUMN_NAMES: readonly string[] = STAMP_COLUMNS.map(([name]) => name);

const adds = (): string =>
  STAMP_COLUMNS.map(([name, definition]) => `add column if not exists ${ident(name)} ${definition}`).join(', ');

export const addStampColumns = (table: Table): string => `alter table ${rowTable(table)} ${adds()}`;

export const dropStampColumns = (table: Table): string =>
  `alter table ${rowTable(table)} ${STAMP_COLUMN_NAMES.map((name) => `drop column if exists ${ident(name)}`).join(', ')}`;

/** The tombstone table: the key's very types and collations, so that equality is the type's and not the text's. */
export function createTombstoneTable(table: Table): string[] {
  const key = table.key.map(({ name }) => ident(name)).join(', ');
  return [
    `create schema if not exists ${schemaOf(table)}`,
    `create table ${tombstoneTable(table)} as select ${key} from ${rowTable(table)} with no data`,
    `alter table ${tombstoneTable(table)} add column image json, ${adds()}, add primary key (${key}), replica identity full`,
  ];
}
