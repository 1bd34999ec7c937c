import { formatStamp, type Stamp } from '@concord/conflict';
import { changeKey, type KafkaEvent, type KafkaRecord, tombstoneSchema } from '@concord/events';
import { kafkaEvent, kafkaRecord } from '../../support/records.ts';
import { BODIES, firstBody, firstRegion, OTHER, SOURCE, TABLE } from '../users-table.ts';
import type { Written } from './content.ts';
import { BODY_SHARE, type Mix, UPDATE_70 } from './mix.ts';

/** What Lambda delivers to one invocation at most: records, and bytes of the payload, in which a record has some of its own. */
const BATCH = 10_000;
const PAYLOAD_BYTES = 6 * 1024 * 1024;
const RECORD_BYTES = 160;
const CONFLICT_SHARE = 0.05;
/** Under the drift limit, above every stamp that the measured region can have made meanwhile. */
const AHEAD_US = 10e6;

export type EventsOptions = {
  /** Rows 1 … `rows` stand in the table, as `firstRegion` wrote them at `firstStamp`. */
  readonly rows: number;
  readonly firstStamp: Stamp;
  /** Changes of one run, at most as many as rows. */
  readonly changes: number;
  /** 5 % of the changes are concurrent to what the measured region wrote last; half of these win. */
  readonly conflicts: boolean;
  /** Default UPDATE_70. */
  readonly mix?: Mix;
  /** Of the source's topic; a row's is `id` modulo their number. Default 1. */
  readonly partitions?: 1 | 2;
};

export type Body = { readonly small: string; readonly large: string };

/** Makes the changes of the source region. */
export type SourceEvents = {
  /** Those of one more run: for each partition its invocations. `bodies` of wide rows, of which the n-th is n + 1. */
  readonly next: (bodies: readonly Body[]) => KafkaEvent[][];
  /** What the table holds after them, of all rows that were changed but for those that the measured region has won. */
  readonly written: ReadonlyMap<number, Written>;
  /** Rows that the table holds after them. */
  readonly count: () => number;
};

/** The rows that the measured region has to write before each run: the first of every 20. */
export const conflictRows = ({ changes, conflicts }: EventsOptions): { every: number; count: number } => ({
  every: 1 / CONFLICT_SHARE,
  count: conflicts ? Math.floor(changes * CONFLICT_SHARE) : 0,
});

/** Of conflict rows: is the source's version the later one? */
const wins = (id: number): boolean => id % (2 / CONFLICT_SHARE) === 0;

type Operation = 'insert' | 'update' | 'delete';

export function sourceEvents(options: EventsOptions): SourceEvents {
  const { rows, changes, mix = UPDATE_70, partitions = 1 } = options;
  const { every, count: conflicts } = conflictRows(options);
  const isConflict = (id: number): boolean => id % every === 0 && id <= every * conflicts;
  const written = new Map<number, Written>();
  const offsets = Array.from({ length: partitions }, () => 0);
  let inserted = rows;
  let deleted = 0;

  const anyId = (operation: Operation): number => {
    const { share, rows: hotRows } = mix.hot ?? { share: 0, rows: 0 };
    for (;;) {
      const among = operation === 'update' && Math.random() < share ? hotRows : rows;
      const id = 1 + Math.floor(Math.random() * among);
      if (!isConflict(id) && written.get(id) !== null) return id;
    }
  };
  /** Each conflict row is changed once, spread over the run, and nothing else touches it. */
  const changeAt = (index: number): { operation: Operation; id: number } => {
    if (conflicts > 0 && index % every === 0) return { operation: 'update', id: every * (1 + index / every) };
    const chance = Math.random();
    if (chance >= mix.updates + (mix.deletes ?? 0)) return { operation: 'insert', id: ++inserted };
    const operation = chance < mix.updates ? 'update' : 'delete';
    return { operation, id: anyId(operation) };
  };
  const bodyAfter = (operation: Operation, id: number): number | undefined => {
    if (!mix.wide) return undefined;
    if (operation === 'insert' || Math.random() < BODY_SHARE) return 1 + Math.floor(Math.random() * BODIES);
    return written.get(id)?.body ?? firstBody(id);
  };
  const recordAt = (index: number, now: Stamp, bodies: readonly Body[]): KafkaRecord => {
    const { operation, id } = changeAt(index);
    const digits = randomDigits();
    const body = bodyAfter(operation, id);
    if (!isConflict(id) || wins(id)) written.set(id, operation === 'delete' ? null : { name: `Name ${digits}`, body });
    if (operation === 'delete') deleted++;
    const stamp = now + index + (isConflict(id) ? (wins(id) ? AHEAD_US : -6 * AHEAD_US) : 0);
    const parent = id <= rows && firstRegion(id) === OTHER ? { [OTHER]: options.firstStamp } : {};
    const columns = { ...columnsOf(id, digits, stamp), ...(body !== undefined && bodies[body - 1]) };
    const message = messageOf({ operation, id, stamp, columns, vector: { ...parent, [SOURCE]: stamp } });
    const partition = id % partitions;
    const offset = offsets[partition] ?? 0;
    offsets[partition] = offset + 1;
    return kafkaRecord(SOURCE, message, { partition, offset });
  };
  return {
    next: (bodies) => {
      const now = Date.now() * 1000;
      const records = Array.from({ length: changes }, (_, index) => recordAt(index, now, bodies));
      return offsets.map((_, partition) => invocations(records.filter((record) => record.partition === partition)));
    },
    written,
    count: () => inserted - deleted,
  };
}

/** As Lambda's poller cuts them. */
function invocations(records: readonly KafkaRecord[]): KafkaEvent[] {
  const events: KafkaEvent[] = [];
  let batch: KafkaRecord[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (batch.length > 0) events.push(kafkaEvent(batch));
    [batch, bytes] = [[], 0];
  };
  for (const record of records) {
    const size = RECORD_BYTES + record.topic.length + (record.key?.length ?? 0) + (record.value?.length ?? 0);
    if (batch.length === BATCH || bytes + size > PAYLOAD_BYTES) flush();
    batch.push(record);
    bytes += size;
  }
  flush();
  return events;
}

const randomDigits = (): string =>
  Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0')
    .repeat(4);

type Columns = Readonly<Record<string, string | null>>;

const columnsOf = (id: number, digits: string, stamp: Stamp): Columns => ({
  id: String(id),
  tenant_id: digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  email: `user${id}@example.com`,
  name: `Name ${digits}`,
  status: 'paid',
  qty: String(stamp % 1000),
  price: ((id % 100_000) / 100).toFixed(2),
  payload: `{"k": ${id % 97}, "s": "${digits}"}`,
  active: id % 2 === 0 ? 't' : 'f',
  note: id % 3 === 0 ? null : `note ${id}`,
  born: '1994-05-06',
  created_at: '2024-01-01 00:00:00+00',
});

type Change = {
  readonly operation: Operation;
  readonly id: number;
  readonly stamp: Stamp;
  readonly columns: Columns;
  readonly vector: object;
};

/** A delete is the row's tombstone, with what the row was as its image. */
function messageOf({ operation, id, stamp, columns, vector }: Change): { key: string; value: string } {
  const isTombstone = operation === 'delete';
  const value = JSON.stringify({
    ...(isTombstone ? { id: String(id), image: JSON.stringify(columns) } : columns),
    _version: operation === 'insert' ? '1' : '2',
    _last_updated: formatStamp(stamp),
    _source_region: SOURCE,
    _tx_id: String(1000 + id),
    _version_vector: JSON.stringify(vector),
    _local: 't',
    __op: operation === 'update' ? 'u' : 'c',
    __t: 'users',
    __s: isTombstone ? tombstoneSchema('public') : 'public',
    __lsn: stamp,
    __txId: 1000 + id,
    __source_ts_us: stamp,
  });
  return { key: changeKey({ id: String(id) }, TABLE), value };
}
