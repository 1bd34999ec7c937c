import { topicOf } from '@concord/events';
import { type Change, eventKey, eventValue, type Shape, shapeOf, type Transaction, updateOf } from './event.ts';
import { type PgoutputMessage, pgoutputDecoder, type Relation } from './pgoutput.ts';

/** One event on its way to the log; `timestampMs` is when it was made, as a Kafka producer stamps it. */
export type CapturedRecord = {
  readonly topic: string;
  readonly key: string;
  readonly value: string;
  readonly timestampMs: number;
};

/** A transaction of which the log has taken every event. `committedUs` is microseconds since 1970. */
export type Commit = { readonly endLsn: bigint; readonly committedUs: number; readonly events: number };

export type TransactionSource = {
  readonly region: string;
  readonly append: (records: readonly CapturedRecord[]) => void | Promise<void>;
  /** The primary key's columns in key order. */
  readonly primaryKeyOf: (relationOid: number) => Promise<readonly string[]>;
};

/** A transaction larger than either limit reaches the log in several appends. */
const APPEND_RECORDS = 1000;
const APPEND_CHARACTERS = 4 << 20;

type RowMessage = Extract<PgoutputMessage, { kind: 'insert' | 'update' }>;
const isRow = (message: PgoutputMessage): message is RowMessage =>
  message.kind === 'insert' || message.kind === 'update';

const changeOf = (shape: Shape, message: RowMessage, lsn: bigint): Change =>
  message.kind === 'insert' ? { op: 'c', row: message.row, lsn } : updateOf(shape, message.row, message.old, lsn);

/**
 * Turns the decoded WAL of one stream into appends, transaction by transaction. `handle` takes one pgoutput message with its
 * LSN and resolves, on a commit, when the log has taken the whole transaction; it rejects when `append` or the look-up of a
 * key does, or when a message cannot be read. Deletes and truncates are dropped.
 */
export function transactions({ region, append, primaryKeyOf }: TransactionSource) {
  const decode = pgoutputDecoder();
  const topic = topicOf(region);
  const shapes = new Map<number, Shape>();
  let transaction: Transaction | undefined;
  let records: CapturedRecord[] = [];
  let characters = 0;
  let events = 0;

  const shape = async (relation: Relation): Promise<Shape> => {
    const made = shapeOf(relation, await primaryKeyOf(relation.oid));
    shapes.set(relation.oid, made);
    return made;
  };
  const flush = async (): Promise<void> => {
    if (records.length === 0) return;
    const batch = records;
    [records, characters] = [[], 0];
    await append(batch);
    events += batch.length;
  };
  const addRow = async (message: RowMessage, lsn: bigint): Promise<void> => {
    if (!transaction) throw new Error(`replication stream: a change at ${lsn} outside a transaction`);
    const { relation } = message;
    const rowShape = shapes.get(relation.oid) ?? (await shape(relation));
    const change = changeOf(rowShape, message, lsn);
    const value = eventValue(rowShape, change, transaction);
    records.push({ topic, key: eventKey(rowShape, change.row), value, timestampMs: Date.now() });
    characters += value.length;
    if (records.length >= APPEND_RECORDS || characters >= APPEND_CHARACTERS) await flush();
  };
  const handle = async (payload: Buffer, lsn: bigint): Promise<Commit | undefined> => {
    const message = decode(payload);
    if (message.kind === 'begin') [transaction, events] = [message, 0];
    else if (message.kind === 'relation') shapes.delete(message.relation.oid);
    else if (isRow(message)) await addRow(message, lsn);
    if (message.kind !== 'commit') return undefined;
    await flush();
    transaction = undefined;
    return { endLsn: message.endLsn, committedUs: message.committedUs, events };
  };
  return { handle, isOpen: (): boolean => transaction !== undefined };
}
