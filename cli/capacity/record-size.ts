import { changeKey, HEARTBEAT_TABLE, topicOf } from '@concord/events';
import type { Workload } from './workload.ts';

type Shape = Pick<Workload, 'rowBytes' | 'columns' | 'nameBytes' | 'vectorEntries' | 'regions'>;
type Message = { readonly key: string; readonly value: string };

const REGION = 'eu-central-1';
const STAMP = '2026-11-21 12:00:00.123456+00';
const STAMP_US = 1_795_000_000_000_000;
/** Length, timestamp, offset and lengths of key and value of a record within Kafka's batch; the batch's own header is shared. */
const FRAME_BYTES = 16;

/** Bytes of one record in Kafka and in the payload that Lambda hands to apply. */
type RecordBytes = { readonly kafka: number; readonly payload: number };

export type RecordSizes = {
  readonly row: RecordBytes;
  /** A delete: the row's last image travels along. */
  readonly tombstone: RecordBytes;
  /** The image alone, which the tombstone keeps in the database. */
  readonly imageBytes: number;
  readonly heartbeat: RecordBytes;
  /** The same row as Debezium writes it without the flattening: before and after, without schemas. */
  readonly envelope: RecordBytes;
};

/** Makes one record of each kind as the connector writes it, and measures it. */
export function recordSizes(shape: Shape): RecordSizes {
  const columns = sampleColumns(shape);
  const row = { ...columns, ...stamps(shape.vectorEntries), _local: 't' };
  const image = JSON.stringify({ ...columns, ...stamps(shape.vectorEntries), _local: true });
  const key = changeKey({ id: '1234567' }, 'public.orders');
  const value = (fields: object): string => JSON.stringify({ ...fields, ...META });
  return {
    row: bytesOf({ key, value: value(row) }),
    tombstone: bytesOf({ key, value: value({ id: '1234567', image, ...stamps(shape.vectorEntries), _local: 't' }) }),
    imageBytes: Buffer.byteLength(image),
    heartbeat: bytesOf({ key: changeKey({ id: '1' }, HEARTBEAT_TABLE), value: value(beat(shape.regions)) }),
    envelope: bytesOf({ key, value: JSON.stringify({ before: row, after: row, source: SOURCE, op: 'u', ts_ms: 1 }) }),
  };
}

const bytesOf = ({ key, value }: Message): RecordBytes => ({
  kafka: Buffer.byteLength(key) + Buffer.byteLength(value) + FRAME_BYTES,
  payload: JSON.stringify(asDelivered(key, value)).length + 1,
});

const asDelivered = (key: string, value: string): object => ({
  topic: topicOf(REGION),
  partition: 3,
  offset: 1_234_567_890,
  timestamp: Math.floor(STAMP_US / 1000),
  timestampType: 'CREATE_TIME',
  key: Buffer.from(key).toString('base64'),
  value: Buffer.from(value).toString('base64'),
  headers: [],
});

/** Columns of the given names' length, whose values together have `rowBytes`. */
function sampleColumns({ rowBytes, columns, nameBytes }: Shape): Record<string, string> {
  const upTo = (count: number): number => Math.floor((count * rowBytes) / columns);
  return Object.fromEntries(
    Array.from({ length: columns }, (_, index) => [
      `c${index}`.padEnd(nameBytes, '_'),
      'v'.repeat(upTo(index + 1) - upTo(index)),
    ]),
  );
}

const stamps = (entries: number): object => ({
  _version: '2',
  _last_updated: STAMP,
  _source_region: REGION,
  _tx_id: '1234567',
  _version_vector: JSON.stringify(
    Object.fromEntries(Array.from({ length: entries }, (_, index) => [`eu-central-${index}`, STAMP_US])),
  ),
});

const META = {
  __op: 'u',
  __t: 'orders',
  __s: 'public',
  __lsn: 123_456_789_012,
  __txId: 1_234_567,
  __source_ts_us: STAMP_US,
};

const beat = (regions: number): object => ({
  id: '1',
  beat_at: STAMP,
  resolver: '1',
  source_region: REGION,
  sequence: '1234567',
  closed_at: STAMP,
  seen: JSON.stringify(
    Object.fromEntries(
      Array.from({ length: regions - 1 }, (_, index) => [`eu-central-${index}`, [1_234_567, STAMP_US, STAMP_US]]),
    ),
  ),
});

/** Debezium's `source` block. */
const SOURCE = {
  version: '3.7.0.Final',
  connector: 'postgresql',
  name: REGION,
  ts_ms: 1_795_000_000_000,
  snapshot: 'false',
  db: 'app',
  sequence: '["123456789012","123456789012"]',
  ts_us: STAMP_US,
  ts_ns: STAMP_US,
  schema: 'public',
  table: 'orders',
  txId: 1_234_567,
  lsn: 123_456_789_012,
  xmin: null,
};
