import { changeKey, tableOf, UNAVAILABLE } from '@concord/events';
import type { Column, OldTuple, Relation } from './pgoutput.ts';
import { firstValues, type Tuple, UNCHANGED, type Value } from './tuple.ts';

const BOOLEAN_OID = 16;

/** What turns the rows of one relation into events; made once per relation that the stream announces. */
export type Shape = {
  readonly relation: Relation;
  readonly table: string;
  readonly keyColumns: readonly number[];
  readonly labels: readonly string[];
};

export type Transaction = { readonly xid: number; readonly committedUs: number };
export type Change = { readonly op: 'c' | 'u'; readonly row: Tuple; readonly lsn: bigint };

/** `primaryKey` are column names in key order; names that the relation does not have are left out of the event's key. */
export function shapeOf(relation: Relation, primaryKey: readonly string[]): Shape {
  const position = new Map(relation.columns.map((column, index) => [column.name, index]));
  return {
    relation,
    table: tableOf({ __s: relation.schema, __t: relation.table }).table,
    keyColumns: primaryKey.map((name) => position.get(name)).filter((index) => index !== undefined),
    labels: relation.columns.map((column) => `${JSON.stringify(column.name)}:`),
  };
}

function textOf(value: Value | undefined, column: Column | undefined): string | null {
  if (value === null || value === undefined) return null;
  if (value === UNCHANGED) return UNAVAILABLE;
  if (column?.typeOid === BOOLEAN_OID) return value === 't' ? 'true' : 'false';
  return value;
}

/** The Kafka key of a row: a tombstone's is that of its row. */
export function eventKey(shape: Shape, row: Tuple): string {
  const columns = shape.keyColumns.map((index) => {
    const column = shape.relation.columns[index];
    return [column?.name ?? '', textOf(row[index], column)] as const;
  });
  return changeKey(Object.fromEntries(columns), shape.table);
}

/**
 * What an update makes of a row. The new tuple lacks TOAST values that the update did not touch, even under REPLICA IDENTITY
 * FULL: like Debezium we take them from the old one. An update that moved the row to another key is an insert of the new
 * key, as with Debezium.
 */
export function updateOf(shape: Shape, row: Tuple, old: OldTuple | undefined, lsn: bigint): Change {
  if (!old) return { op: 'u', row, lsn };
  const lacksValues = old.isWhole && row.includes(UNCHANGED);
  const before = firstValues(old.bytes, lacksValues ? row.length : Math.max(-1, ...shape.keyColumns) + 1);
  const moved = shape.keyColumns.some((index) => row[index] !== UNCHANGED && row[index] !== before[index]);
  const whole = lacksValues ? row.map((value, index) => (value === UNCHANGED ? (before[index] ?? null) : value)) : row;
  return { op: moved ? 'c' : 'u', row: whole, lsn };
}

/**
 * The value of the event, as Debezium's unwrapped record: the columns in table order, then the connector's fields. Written
 * piece by piece, because an object would reorder columns named like numbers and drop one named `__proto__`.
 */
export function eventValue(shape: Shape, change: Change, transaction: Transaction): string {
  const { relation } = shape;
  const columns = relation.columns.map(
    (column, index) => shape.labels[index] + JSON.stringify(textOf(change.row[index], column)),
  );
  columns.push(
    `"__op":"${change.op}","__t":${JSON.stringify(relation.table)},"__s":${JSON.stringify(relation.schema)}`,
    `"__lsn":${change.lsn},"__txId":${transaction.xid},"__source_ts_us":${transaction.committedUs}`,
  );
  return `{${columns.join(',')}}`;
}
