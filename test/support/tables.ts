import type { Column, Table } from '@concord/runtime';

export const columnOf = (name: string, type = 'pg_catalog.text'): Column => ({
  name,
  type,
  viaText: false,
  generated: false,
  identity: '',
  constantDefault: null,
});

const STAMPS: readonly Column[] = [
  columnOf('_version', 'pg_catalog.int8'),
  columnOf('_last_updated', 'pg_catalog.timestamptz'),
  columnOf('_source_region'),
  columnOf('_tx_id', 'pg_catalog.int8'),
  columnOf('_version_vector', 'pg_catalog.jsonb'),
  columnOf('_local', 'pg_catalog.bool'),
];

/** An enrolled table as the catalogue would describe it: text columns, of which the first ones are the key. */
export function tableNamed(name: string, key: readonly string[], others: readonly string[] = []): Table {
  const [schema = '', table = ''] = name.split('.');
  return {
    name,
    schema,
    table,
    oid: 1,
    partitioned: false,
    columns: [...[...key, ...others].map((column) => columnOf(column)), ...STAMPS],
    key: key.map((column) => ({ name: column, equals: 'operator(pg_catalog.=)', canonical: true })),
  };
}
