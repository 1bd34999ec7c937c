import { reader } from './reader.ts';

/** What the server sends on a replication stream (https://www.postgresql.org/docs/current/protocol-replication.html). */
export type StreamMessage =
  | { readonly kind: 'wal'; readonly lsn: bigint; readonly payload: Buffer }
  | { readonly kind: 'keepalive'; readonly lsn: bigint; readonly replyRequested: boolean };

const WAL_HEADER_BYTES = 25;
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

/** `lsn` is where a change lies in the WAL, or how far the server has decoded. Throws for any other kind of message. */
export function readStreamMessage(bytes: Buffer): StreamMessage {
  const read = reader(bytes);
  const tag = read.char();
  if (tag === 'w') return { kind: 'wal', lsn: read.int64(), payload: bytes.subarray(WAL_HEADER_BYTES) };
  if (tag !== 'k') throw new Error(`replication stream: unknown message '${tag}' of ${bytes.length} bytes`);
  const lsn = read.int64();
  read.skip(8); // the server's clock
  return { kind: 'keepalive', lsn, replyRequested: read.int8() === 1 };
}

const KEEPALIVE = 'k'.charCodeAt(0);

/** Whether the server is about to give the connection up unless it hears something. */
export const asksForReply = (bytes: Buffer): boolean => bytes[0] === KEEPALIVE && bytes[17] === 1;

/** A standby status update: everything up to `flushedLsn` is safe here; 0 leaves the slot where it is. */
export function statusUpdate(flushedLsn: bigint, nowMs: number, replyRequested: boolean): Buffer {
  const bytes = Buffer.alloc(34);
  bytes.write('r');
  for (const position of [1, 9, 17]) bytes.writeBigUInt64BE(flushedLsn, position);
  bytes.writeBigInt64BE(BigInt(nowMs - POSTGRES_EPOCH_MS) * 1000n, 25);
  bytes.writeUInt8(replyRequested ? 1 : 0, 33);
  return bytes;
}
