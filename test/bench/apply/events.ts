import { formatStamp, type Stamp } from '@concord/conflict';
import type { KafkaEvent, KafkaRecord } from '@concord/events';
import { kafkaEvent, kafkaRecord } from '../../support/records.ts';
import { firstRegion, OTHER, SOURCE } from '../users-table.ts';

/** Records of one invocation, the most that Lambda delivers. */
const BATCH = 10_000;
const UPDATE_SHARE = 0.7;
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
};

/** The rows that the measured region has to write before each run: the first of every 20. */
export const conflictRows = ({ changes, conflicts }: EventsOptions): { every: number; count: number } => ({
  every: 1 / CONFLICT_SHARE,
  count: conflicts ? Math.floor(changes * CONFLICT_SHARE) : 0,
});

/** Makes the events of the source region: 70 % updates of random rows, 30 % inserts, on one partition of its topic. */
export class SourceEvents {
  readonly #options: EventsOptions;
  #inserted: number;
  #offset = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#inserted = options.rows;
  }

  /** The changes of one more run, as invocations of 10,000 records. */
  next(): KafkaEvent[] {
    const now = Date.now() * 1000;
    const ids = Array.from({ length: this.#options.changes }, (_, index) => this.#idOf(index));
    const events: KafkaEvent[] = [];
    for (let at = 0; at < ids.length; at += BATCH)
      events.push(kafkaEvent(ids.slice(at, at + BATCH).map((id, index) => this.#record(id, now + at + index))));
    return events;
  }

  /** Each conflict row is changed once, spread over the run, and nothing else touches it. */
  #idOf(index: number): number {
    const { every, count } = conflictRows(this.#options);
    if (count > 0 && index % every === 0) return every * (1 + index / every);
    if (Math.random() >= UPDATE_SHARE) return ++this.#inserted;
    for (;;) {
      const id = 1 + Math.floor(Math.random() * this.#options.rows);
      if (!this.#isConflict(id)) return id;
    }
  }

  #isConflict(id: number): boolean {
    const { every, count } = conflictRows(this.#options);
    return id % every === 0 && id <= every * count;
  }

  #record(id: number, now: Stamp): KafkaRecord {
    const { rows, firstStamp } = this.#options;
    const wins = id % 40 === 0;
    const stamp = this.#isConflict(id) ? now + (wins ? AHEAD_US : -6 * AHEAD_US) : now;
    const parent = id <= rows && firstRegion(id) === OTHER ? { [OTHER]: firstStamp } : {};
    const message = messageOf(id, id <= rows, stamp, { ...parent, [SOURCE]: stamp });
    return kafkaRecord(SOURCE, message, { partition: 0, offset: this.#offset++ });
  }
}

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
