import { type Column, ident } from '@concord/runtime';
import type { Change } from './change.ts';

/**
 * Characters of a record's value, in base64. PostgreSQL compresses values and stores them out of line in rows above 2 kB, whose events are
 * longer than this even where a value grows as it is stored.
 */
const LONG = 2000;

/** May some of these rows have values out of line? Seen without looking at columns: short rows pay nothing. */
export const areLong = (changes: readonly Change[]): boolean =>
  changes.some(({ record }) => (record.value?.length ?? 0) > LONG);

const BYTES = 'collate pg_catalog."C"';

/** Types whose own `=`, with this collation, compares bytes; it looks at the lengths before it reads the values. */
const BYTEWISE = new Map([
  ['pg_catalog.text', BYTES],
  ['pg_catalog.varchar', BYTES],
  ['pg_catalog.bytea', ''],
]);

/**
 * Have `t` and another source the same bytes in a column? NULL where either has none. Of any other type the images are compared: its `=` may
 * call different texts equal (jsonb 1.5 and 1.50, citext), or not exist (json).
 */
function areSameBytes({ type, name }: Column, other: string): string {
  const [stored, given] = [`t.${ident(name)}`, `${other}.${ident(name)}`];
  const collation = BYTEWISE.get(type);
  return collation === undefined
    ? `row(${stored})::record operator(pg_catalog.*=) row(${given})::record`
    : `${stored} operator(pg_catalog.=) ${given} ${collation}`;
}

/**
 * What an update of `t` assigns to a column: the stored value where the new one is the same bytes. PostgreSQL keeps what it is given back as it
 * is stored, out of line or compressed; an equal value it would store anew.
 */
export function keptValue(column: Column, from: string): string {
  const given = `${from}.${ident(column.name)}`;
  // Only `excluded` has the modifiers of the table's columns.
  const isKept = column.outOfLine === 'any' || (column.outOfLine === 'limited' && from === 'excluded');
  return isKept ? `case when ${areSameBytes(column, from)} then t.${ident(column.name)} else ${given} end` : given;
}
