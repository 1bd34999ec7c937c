import { type Reader, reader } from './reader.ts';

/** Stands for a TOAST value that an update did not touch and that PostgreSQL did not send. */
export const UNCHANGED: unique symbol = Symbol('unchanged TOAST value');
export type Value = string | null | typeof UNCHANGED;
export type Tuple = readonly Value[];

function readValue(read: Reader): Value {
  const format = read.char();
  if (format === 't') return read.text(read.int32());
  if (format === 'n') return null;
  if (format === 'u') return UNCHANGED;
  throw new Error(`pgoutput: a column value in format '${format}', but only text was asked for`);
}

function skipValue(read: Reader): void {
  const format = read.char();
  if (format !== 'n' && format !== 'u') read.skip(read.int32());
}

/** Reads a TupleData: the values in column order. */
export const readTuple = (read: Reader): Tuple => Array.from({ length: read.int16() }, () => readValue(read));

/** Moves behind a TupleData without decoding its texts and returns its bytes. */
export function skipTuple(read: Reader): Buffer {
  const start = read.position();
  for (let left = read.int16(); left > 0; left--) skipValue(read);
  return read.since(start);
}

/** The first `count` values of a TupleData that `skipTuple` returned. */
export function firstValues(tuple: Buffer, count: number): Tuple {
  const read = reader(tuple);
  const columns = Math.min(count, read.int16());
  return Array.from({ length: columns }, () => readValue(read));
}
