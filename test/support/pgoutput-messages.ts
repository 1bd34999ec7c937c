import type { Relation } from '../../local/capture/pgoutput.ts';
import { UNCHANGED } from '../../local/capture/tuple.ts';

/** Writes the messages that PostgreSQL would send; times are microseconds since 1970. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n;

const int8 = (value: number): Buffer => Buffer.of(value);
const int16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt.asIntN(64, value));
  return bytes;
}
const time = (us: bigint): Buffer => int64(us - POSTGRES_EPOCH_US);
const name = (text: string): Buffer => Buffer.from(`${text}\0`);
const message = (tag: string, ...parts: Buffer[]): Buffer => Buffer.concat([Buffer.from(tag), ...parts]);

type Cell = string | null | typeof UNCHANGED | { readonly binary: Buffer };
type Row = readonly Cell[];

function cell(value: Cell): Buffer {
  if (value === null) return Buffer.from('n');
  if (value === UNCHANGED) return Buffer.from('u');
  const [format, bytes] = typeof value === 'string' ? ['t', Buffer.from(value)] : ['b', value.binary];
  return message(format, int32(bytes.length), bytes);
}
const tuple = (marker: string, row: Row): Buffer => message(marker, int16(row.length), ...row.map(cell));

export const begin = (b: { finalLsn: bigint; committedUs: bigint; xid: number }): Buffer =>
  message('B', int64(b.finalLsn), time(b.committedUs), int32(b.xid));

export const commit = (c: { lsn: bigint; endLsn: bigint; committedUs: bigint }): Buffer =>
  message('C', int8(0), int64(c.lsn), int64(c.endLsn), time(c.committedUs));

export const relation = ({ oid, schema, table, columns }: Relation): Buffer =>
  message(
    'R',
    int32(oid),
    name(schema),
    name(table),
    Buffer.from('f'),
    int16(columns.length),
    ...columns.map((column) => Buffer.concat([int8(1), name(column.name), int32(column.typeOid), int32(0xffffffff)])),
  );

export const insert = (oid: number, row: Row): Buffer => message('I', int32(oid), tuple('N', row));

export const update = (oid: number, row: Row, old?: { marker: 'K' | 'O'; row: Row }): Buffer =>
  message('U', int32(oid), old ? tuple(old.marker, old.row) : Buffer.alloc(0), tuple('N', row));

export const remove = (oid: number, marker: 'K' | 'O', row: Row): Buffer =>
  message('D', int32(oid), tuple(marker, row));

export const truncate = (oids: readonly number[]): Buffer =>
  message('T', int32(oids.length), int8(0), ...oids.map(int32));

export const type = (t: { oid: number; schema: string; name: string }): Buffer =>
  message('Y', int32(t.oid), name(t.schema), name(t.name));

export const origin = (lsn: bigint, origin: string): Buffer => message('O', int64(lsn), name(origin));

export const logicalMessage = (m: { transactional: boolean; lsn: bigint; prefix: string; content: Buffer }): Buffer =>
  message('M', int8(m.transactional ? 1 : 0), int64(m.lsn), name(m.prefix), int32(m.content.length), m.content);

export const walData = (lsn: bigint, payload: Buffer): Buffer =>
  message('w', int64(lsn), int64(lsn), int64(0n), payload);

export const keepalive = (lsn: bigint, replyRequested: boolean): Buffer =>
  message('k', int64(lsn), int64(0n), int8(replyRequested ? 1 : 0));
