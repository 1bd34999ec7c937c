import type { KafkaRecord } from '@concord/events';
import type { Tables } from './catalogue-cache.ts';
import { chunksOf } from './chunks.ts';
import { byKey } from './collapse.ts';
import { keyOf } from './decode.ts';

/**
 * Rows of the first slice: few, so that the server has something to do soon. The next ones grow no faster than it writes what was sent, or it
 * would wait for each. And of the others: what it does alone at the end.
 */
const FIRST_SLICE = 100;
const GREATEST_SLICE = 1000;

type Placed = { readonly record: KafkaRecord; readonly table: string; readonly key: string };

/**
 * The records in the order in which every applier locks their rows (table, then key), cut into slices that are decoded one
 * after the other, while the server writes the one before. The versions of a row stay together. Until the first slice is
 * there the server has nothing to do, so this is quick: tables are sorted apart, because texts that begin alike compare slowly.
 */
export function slicesOf(records: readonly KafkaRecord[], tables: Tables): KafkaRecord[][] {
  const byTable = Map.groupBy(
    records.map((record) => placeOf(record, tables)),
    ({ table }) => table,
  );
  const placed = [...byTable.keys()].sort().flatMap((table) => (byTable.get(table) ?? []).sort(byKey));
  const rows = placed.flatMap((one, index) => (isSameRow(one, placed[index - 1]) ? [] : [index]));
  const slices = chunksOf(rows, FIRST_SLICE, GREATEST_SLICE);
  return slices.map(([start], index) => placed.slice(start, slices[index + 1]?.[0]).map(({ record }) => record));
}

const isSameRow = (a: Placed, b: Placed | undefined): boolean => a.key === b?.key && a.table === b.table;

/** Table and key texts from the Kafka key, which are the row's own. A record with another Kafka key loses its place, no more. */
function placeOf(record: KafkaRecord, tables: Tables): Placed {
  try {
    const names = JSON.parse(Buffer.from(record.key ?? '', 'base64').toString('utf8'));
    const table = tables.get(names._table);
    const key = table && keyOf(names, table);
    if (key !== undefined) return { record, table: names._table, key };
  } catch {
    // No JSON: it loses its place.
  }
  return { record, table: '', key: '' };
}
