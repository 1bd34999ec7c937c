import { type Reader, reader } from './reader.ts';
import { readTuple, skipTuple, type Tuple } from './tuple.ts';

export type Column = { readonly name: string; readonly typeOid: number };
export type Relation = {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly Column[];
};

/** The old row as it came, skipped but kept, for `firstValues`. If it is not whole, all but key columns are null. */
export type OldTuple = { readonly isWhole: boolean; readonly bytes: Buffer };

/** Times are microseconds since 1970. */
export type PgoutputMessage =
  | { readonly kind: 'begin'; readonly finalLsn: bigint; readonly committedUs: number; readonly xid: number }
  | { readonly kind: 'commit'; readonly lsn: bigint; readonly endLsn: bigint; readonly committedUs: number }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'insert'; readonly relation: Relation; readonly row: Tuple }
  | { readonly kind: 'update'; readonly relation: Relation; readonly row: Tuple; readonly old: OldTuple | undefined }
  | { readonly kind: 'delete'; readonly relation: Relation }
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[] }
  | { readonly kind: 'type'; readonly oid: number; readonly schema: string; readonly name: string }
  | { readonly kind: 'origin'; readonly lsn: bigint; readonly name: string }
  | {
      readonly kind: 'message';
      readonly transactional: boolean;
      readonly lsn: bigint;
      readonly prefix: string;
      readonly content: Buffer;
    };

const POSTGRES_EPOCH_US = 946_684_800_000_000n;
const time = (read: Reader): number => Number(BigInt.asIntN(64, read.int64()) + POSTGRES_EPOCH_US);

/** An empty schema name is how pgoutput spells pg_catalog. */
const schemaName = (read: Reader): string => read.name() || 'pg_catalog';

function readRelation(read: Reader): Relation {
  const [oid, schema, table] = [read.int32(), schemaName(read), read.name()];
  read.skip(1); // replica identity
  const columns = Array.from({ length: read.int16() }, () => {
    read.skip(1); // key flag: set on every column under REPLICA IDENTITY FULL, so of no use
    const column = { name: read.name(), typeOid: read.int32() };
    read.skip(4); // type modifier
    return column;
  });
  return { oid, schema, table, columns };
}

function readNewRow(read: Reader, marker: string): Tuple {
  if (marker !== 'N') throw new Error(`pgoutput: expected a new row 'N', got '${marker}'`);
  return readTuple(read);
}

function readUpdate(read: Reader, relation: Relation): PgoutputMessage {
  const marker = read.char();
  if (marker !== 'K' && marker !== 'O')
    return { kind: 'update', relation, row: readNewRow(read, marker), old: undefined };
  const old = { isWhole: marker === 'O', bytes: skipTuple(read) };
  return { kind: 'update', relation, row: readNewRow(read, read.char()), old };
}

const readLogicalMessage = (read: Reader): PgoutputMessage => ({
  kind: 'message',
  transactional: (read.int8() & 1) === 1,
  lsn: read.int64(),
  prefix: read.name(),
  content: read.take(read.int32()),
});

const readCommit = (read: Reader): PgoutputMessage => {
  read.skip(1); // flags, unused
  return { kind: 'commit', lsn: read.int64(), endLsn: read.int64(), committedUs: time(read) };
};

const readTruncate = (read: Reader, known: (oid: number) => Relation): PgoutputMessage => {
  const count = read.int32();
  read.skip(1); // cascade, restart identity
  return { kind: 'truncate', relations: Array.from({ length: count }, () => known(read.int32())) };
};

/**
 * A decoder of pgoutput, protocol version 1, values in text format
 * (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html). It remembers the relations that the
 * stream announced, so one stream needs one decoder. It throws for unknown messages, unknown relations, binary values and
 * messages that end too early.
 */
export function pgoutputDecoder(): (message: Buffer) => PgoutputMessage {
  const relations = new Map<number, Relation>();
  const known = (oid: number): Relation => {
    const relation = relations.get(oid);
    if (!relation) throw new Error(`pgoutput: relation ${oid} was not announced in this stream`);
    return relation;
  };
  return (message) => {
    const read = reader(message);
    const tag = read.char();
    switch (tag) {
      case 'B':
        return { kind: 'begin', finalLsn: read.int64(), committedUs: time(read), xid: read.int32() };
      case 'C':
        return readCommit(read);
      case 'R': {
        const relation = readRelation(read);
        relations.set(relation.oid, relation);
        return { kind: 'relation', relation };
      }
      case 'I':
        return { kind: 'insert', relation: known(read.int32()), row: readNewRow(read, read.char()) };
      case 'U':
        return readUpdate(read, known(read.int32()));
      case 'D':
        return { kind: 'delete', relation: known(read.int32()) };
      case 'T':
        return readTruncate(read, known);
      case 'Y':
        return { kind: 'type', oid: read.int32(), schema: schemaName(read), name: read.name() };
      case 'O':
        return { kind: 'origin', lsn: read.int64(), name: read.name() };
      case 'M':
        return readLogicalMessage(read);
      default:
        throw new Error(`pgoutput: unknown message '${tag}' (byte ${message[0]}) of ${message.length} bytes`);
    }
  };
}
