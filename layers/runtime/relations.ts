import { LATTICE_COLUMNS, STAMP_COLUMNS, tombstoneSchema } from '@concord/events';
import type { Column, Table } from './catalogue.ts';
import { ident } from './sql.ts';

type Named = Pick<Table, 'schema' | 'table'>;

/** An enrolled table, quoted. */
export const rowsOf = ({ schema, table }: Named): string => `${ident(schema)}.${ident(table)}`;

/** Its tombstone table, quoted: the same name, in schema `concord_<schema>`. */
export const tombstonesOf = ({ schema, table }: Named): string => `${ident(tombstoneSchema(schema))}.${ident(table)}`;

/** What was deleted, as JSON. */
const IMAGE: Column = {
  name: 'image',
  type: 'pg_catalog.json',
  viaText: false,
  generated: false,
  identity: '',
  constantDefault: null,
};

/** Columns that a tombstone's event carries: key, image, version. Throws where the table has not what this release adds to it. */
export const tombstoneColumns = (table: Table): Column[] => [
  ...keyColumnsOf(table),
  IMAGE,
  ...[...STAMP_COLUMNS, ...(table.lattice ? LATTICE_COLUMNS : [])].map((name) => columnNamed(table, name)),
];

/** The columns of the primary key, in its order. */
export const keyColumnsOf = (table: Table): Column[] => table.key.map(({ name }) => columnNamed(table, name));

function columnNamed(table: Table, name: string): Column {
  const column = table.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`${table.name} has no column ${name}: enroll it again`);
  return column;
}

/** `select unnest($1::pg_catalog.int8[]) as "id", …`: parameter i is column i. */
export const unnestColumns = (columns: readonly Column[]): string =>
  `select ${columns
    .map(({ name, type, viaText }, index) =>
      viaText
        ? `unnest($${index + 1}::text[])::${type} as ${ident(name)}`
        : `unnest($${index + 1}::${type}[]) as ${ident(name)}`,
    )
    .join(', ')}`;
