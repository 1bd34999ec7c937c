import { CLAIM_COLUMN, CONNECTOR_FIELDS, LATTICE_COLUMNS, LOCAL_COLUMN, STAMP_COLUMNS } from '@concord/events';
import type { Table } from '@concord/runtime';
import type { Change } from './change.ts';

const OWN: ReadonlySet<string> = new Set([
  ...STAMP_COLUMNS,
  ...LATTICE_COLUMNS,
  CLAIM_COLUMN,
  LOCAL_COLUMN,
  ...CONNECTOR_FIELDS,
]);

/** A column of an image, and what stands before its value. */
type Entry = { readonly name: string; readonly before: string };

const shapes = new WeakMap<Table, Map<string, readonly Entry[]>>();

/**
 * The image of a row as jsonb prints it (`{"id": "1", "name": null}`, shorter names first), so that all regions log one text: the stored
 * side of a conflict is printed by PostgreSQL. `event` has texts and nulls, without NUL and lone surrogates (`decodeValue`).
 */
export function imageText(event: Change['event'], table: Table): string {
  const entries = entriesOf(Object.keys(event), table);
  const texts = entries.map(({ name, before }) => before + JSON.stringify(event[name]));
  return `{${texts.join(', ')}}`;
}

/** Events of one table have few sets of names, each ordered once. */
function entriesOf(names: readonly string[], table: Table): readonly Entry[] {
  const known = shapes.get(table) ?? new Map<string, readonly Entry[]>();
  shapes.set(table, known);
  const shape = names.join('\0');
  const entries = known.get(shape) ?? orderedEntries(names, table);
  known.set(shape, entries);
  return entries;
}

function orderedEntries(names: readonly string[], table: Table): Entry[] {
  const generated = new Set(table.columns.filter((column) => column.generated).map((column) => column.name));
  const columns = names.filter((name) => !OWN.has(name) && !generated.has(name));
  const keyed = columns.map((name) => ({ name, bytes: Buffer.from(name) }));
  keyed.sort((a, b) => a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes));
  return keyed.map(({ name }) => ({ name, before: `${JSON.stringify(name)}: ` }));
}
