import type { KafkaRecord } from '@concord/events';
import type { Tables } from './catalogue-cache.ts';
import { byKey } from './collapse.ts';
import { type RowKey, rowKey } from './kafka-key.ts';

/**
 * Rows of the first slice: few, so that the server has something to do soon. The next ones grow no faster than it writes what was sent, or it
 * would wait for each. And of the others: what it does alone at the end.
 */
const FIRST_SLICE = 100;
const GREATEST_SLICE = 1000;
const GROWTH = 1.4;

type Placed = RowKey & { readonly record: KafkaRecord };

/** A record without a key that can be read loses its place, no more. */
const NOWHERE: RowKey = { table: '', key: '' };

/**
 * The records in the order in which every applier locks their rows (table, then key), cut into slices that are decoded one
 * after the other, while the server writes the one before. The versions of a row stay together. Until the first slice is
 * there the server has nothing to do, so this is quick: tables are sorted apart, because texts that begin alike compare slowly.
 */
export function slicesOf(records: readonly KafkaRecord[], tables: Tables): KafkaRecord[][] {
  const byTable = Map.groupBy(
    records.map((record): Placed => {
      const { table, key } = rowKey(record.key ?? '', tables) ?? NOWHERE;
      return { record, table, key };
    }),
    ({ table }) => table,
  );
  const slices: KafkaRecord[][] = [];
  let [slice, rows, size]: [KafkaRecord[], number, number] = [[], 0, FIRST_SLICE];
  let last: Placed | undefined;
  for (const name of [...byTable.keys()].sort()) {
    for (const placed of (byTable.get(name) ?? []).sort(byKey)) {
      const isNewRow = placed.key !== last?.key || placed.table !== last.table;
      if (isNewRow && rows === size) {
        slices.push(slice);
        [slice, rows, size] = [[], 0, Math.min(GREATEST_SLICE, Math.ceil(size * GROWTH))];
      }
      if (isNewRow) rows++;
      slice.push(placed.record);
      last = placed;
    }
  }
  return slice.length === 0 ? slices : [...slices, slice];
}
