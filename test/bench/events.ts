import { formatStamp, type Stamp } from '@concord/conflict';
import { type KafkaEvent, type KafkaRecord, topicOf } from '@concord/events';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { firstRegion, OTHER, SOURCE } from './users-table.ts';

/** Records of one invocation, the most that Lambda delivers. */
const BATCH = 10_000;
const UPDATE_SHARE = 0.7;
/** Every 20th row is a conflict row: 5 % of the changes where there are as many changes as rows. */
export const CONFLICT_EVERY = 20;
/** Under the drift limit, above every stamp that the measured region can have made meanwhile. */
const AHEAD_US = 10e6;

export type EventsOptions = {
  /** Rows 1 … `rows` stand in the table, as `firstRegion` wrote them at `firstStamp`. */
  readonly rows: number;
  readonly firstStamp: Stamp;
  /** One change to every conflict row, concurrent to what the measured region wrote last; half of them win. */
  readonly conflicts: boolean;
};

/** Makes the events of the source region: 70 % updates of random rows, 30 % inserts, on one partition of its topic. */
export class SourceEvents {
  readonly #options: EventsOptions;
  #inserted: number;
  #offset = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#inserted = options.rows;
  }

  /** The next `changes` changes, as invocations of 10,000 records. */
  next(changes: number): KafkaEvent[] {
    const now = Date.now() * 1000;
    const ids = this.#ids(changes);
    const events: KafkaEvent[] = [];
    for (let at = 0; at < changes; at += BATCH)
      events.push(kafkaEvent(ids.slice(at, at + BATCH).map((id, index) => this.#record(id, now + at + index))));
    return events;
  }

  #ids(changes: number): number[] {
    const { rows, conflicts } = this.#options;
    const concurrent = conflicts ? Math.min(changes, Math.floor(rows / CONFLICT_EVERY)) : 0;
    const spacing = concurrent > 0 ? Math.floor(changes / concurrent) : Number.POSITIVE_INFINITY;
    return Array.from({ length: changes }, (_, index) => {
      if (index % spacing === 0 && index / spacing < concurrent) return CONFLICT_EVERY * (1 + index / spacing);
      return Math.random() < UPDATE_SHARE ? this.#randomRow() : ++this.#inserted;
    });
  }

  /** Conflict rows are left alone where they are to be changed once. */
  #randomRow(): number {
    for (;;) {
      const id = 1 + Math.floor(Math.random() * this.#options.rows);
      if (!this.#options.conflicts || id % CONFLICT_EVERY !== 0) return id;
    }
  }

  #record(id: number, now: Stamp): KafkaRecord {
    const { rows, firstStamp, conflicts } = this.#options;
    const isConflict = conflicts && id <= rows && id % CONFLICT_EVERY === 0;
    const wins = (id / CONFLICT_EVERY) % 2 === 0;
    const stamp = isConflict ? now + (wins ? AHEAD_US : -6 * AHEAD_US) : now;
    const parent = id <= rows && firstRegion(id) === OTHER ? { [OTHER]: firstStamp } : {};
    const message = messageOf(id, id <= rows, stamp, { ...parent, [SOURCE]: stamp });
    return kafkaRecord(SOURCE, message, { partition: 0, offset: this.#offset++ });
  }
}

/** The name of `parseKafkaEvent`'s partition that all records are on. */
export const PARTITION = { topic: topicOf(SOURCE), partition: 0 };

function messageOf(id: number, isUpdate: boolean, stamp: Stamp, vector: object): { key: string; value: string } {
  const digits = Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0')
    .repeat(4);
  const value = JSON.stringify({
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
    _version: isUpdate ? '2' : '1',
    _last_updated: formatStamp(stamp),
    _source_region: SOURCE,
    _tx_id: String(1000 + id),
    _version_vector: JSON.stringify(vector),
    _local: 't',
    __op: isUpdate ? 'u' : 'c',
    __t: 'users',
    __s: 'public',
    __lsn: stamp,
    __txId: 1000 + id,
    __source_ts_us: stamp,
  });
  return { key: JSON.stringify({ id: String(id), _table: 'public.users' }), value };
}
