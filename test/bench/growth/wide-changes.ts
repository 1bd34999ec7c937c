import { hash } from 'node:crypto';
import { formatStamp, type Stamp } from '@concord/conflict';
import { changeKey, type KafkaEvent, type KafkaRecord } from '@concord/events';
import { kafkaEvent, kafkaRecord } from '../../support/records.ts';
import { SOURCE } from '../users-table.ts';
import { columnNames, repeated, type Shape, tableName } from './wide-tables.ts';

const UPDATES_OF_TEN = 7;
/** A prime above any number of rows: its multiples visit each row once before they come back to the first. */
const STRIDE = 100_000_007;

/** Changes of one run, as invocations. */
export type Queued = { readonly events: readonly KafkaEvent[]; readonly changes: number; readonly firstStamp: Stamp };

/** Makes the next `changes`, in invocations of `batch` records. */
export type WideChanges = (changes: number, batch: number) => Queued;

/**
 * The source region's events: 70 % updates, 30 % inserts, over all tables in turn, on one partition of its topic. No row is changed
 * twice in a run that has fewer updates than there are rows, so every change is applied.
 */
export function wideChanges(shape: Shape): WideChanges {
  let [offset, updated, inserted, lastStamp] = [0, 0, shape.rows, 0];
  const names = columnNames(shape);
  const idsOf = (): { id: number; isUpdate: boolean } =>
    offset % (10 * shape.tables) < UPDATES_OF_TEN * shape.tables
      ? { id: 1 + ((Math.floor(updated++ / shape.tables) * STRIDE) % shape.rows), isUpdate: true }
      : { id: ++inserted, isUpdate: false };
  const recordAt = (stamp: Stamp): KafkaRecord => {
    const table = tableName(offset % shape.tables);
    const { id, isUpdate } = idsOf();
    const text = repeated(hash('md5', `${id}/${stamp}`), shape);
    const columns = Object.fromEntries(names.map((name) => [name, text]));
    const message = messageOf({ table, id, isUpdate, stamp, columns });
    return kafkaRecord(SOURCE, message, { partition: 0, offset: offset++ });
  };
  return (changes, batch) => {
    const firstStamp = Math.max(Date.now() * 1000, lastStamp + 1);
    const events: KafkaEvent[] = [];
    for (let at = 0; at < changes; at += batch) {
      const records = Array.from({ length: Math.min(batch, changes - at) }, (_, index) =>
        recordAt(firstStamp + at + index),
      );
      events.push(kafkaEvent(records));
    }
    lastStamp = firstStamp + changes;
    return { events, changes, firstStamp };
  };
}

type Written = {
  readonly table: string;
  readonly id: number;
  readonly isUpdate: boolean;
  readonly stamp: Stamp;
  readonly columns: Readonly<Record<string, string>>;
};

function messageOf({ table, id, isUpdate, stamp, columns }: Written): { key: string; value: string } {
  const [schema, name] = table.split('.');
  const value = JSON.stringify({
    id: String(id),
    ...columns,
    _version: isUpdate ? '2' : '1',
    _last_updated: formatStamp(stamp),
    _source_region: SOURCE,
    _tx_id: String(1000 + id),
    _version_vector: JSON.stringify({ [SOURCE]: stamp }),
    _local: 't',
    __op: isUpdate ? 'u' : 'c',
    __t: name,
    __s: schema,
    __lsn: stamp,
    __txId: 1000 + id,
    __source_ts_us: stamp,
  });
  return { key: changeKey({ id: String(id) }, table), value };
}
