import type { KafkaRecord } from '@concord/events';
import type { Tables } from './catalogue-cache.ts';
import { chunksOf } from './chunks.ts';
import { keyOf } from './decode.ts';

/** Rows of the first slice: few, so that the server has something to do soon; and of others: what it does alone at the end. */
const FIRST_SLICE = 250;
const GREATEST_SLICE = 1000;

/**
 * The records in the order in which every applier locks their rows (table, then key), cut into slices that are decoded one
 * after the other, while the server writes the one before. The versions of a row stay together.
 */
export function slicesOf(records: readonly KafkaRecord[], tables: Tables): KafkaRecord[][] {
  const placed = records.map((record) => ({ record, place: placeOf(record, tables) }));
  placed.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
  const rows = placed.flatMap(({ place }, index) => (place === placed[index - 1]?.place ? [] : [index]));
  const slices = chunksOf(rows, FIRST_SLICE, GREATEST_SLICE);
  return slices.map(([start], index) => placed.slice(start, slices[index + 1]?.[0]).map(({ record }) => record));
}

/** Table and key texts from the Kafka key, which are the row's own. A record with another Kafka key loses its place, no more. */
function placeOf(record: KafkaRecord, tables: Tables): string {
  try {
    const key = JSON.parse(Buffer.from(record.key ?? '', 'base64').toString('utf8'));
    const table = tables.get(key._table);
    return table === undefined ? '' : `${table.name}\0${keyOf(key, table)}`;
  } catch {
    return '';
  }
}
