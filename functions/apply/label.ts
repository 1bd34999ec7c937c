import { parseStamp, type Stamp } from '@concord/conflict';
import { type KafkaRecord, tableOf } from '@concord/events';
import { decodeValue, rawBytes } from '@concord/runtime';

/** What a record says of itself, unchecked: for filters, for people, and to pass over what belongs to a table that is not live. */
export type Label = { readonly table: string | null; readonly stamp: Stamp | null };

/** A larger value is not read for its label: it may be what has killed the function when it was. */
const MAX_VALUE_BYTES = 100_000;
/** Schema, dot and table: PostgreSQL's names have at most 63 bytes each. */
const MAX_NAME_LENGTH = 127;

/** The label of a record that cannot be decoded, as far as it has one. Never throws. */
export function labelOf(record: KafkaRecord): Label {
  const decoded = decodeValue(record.value, MAX_VALUE_BYTES);
  const value = decoded.ok && typeof decoded.value === 'object' && decoded.value !== null ? decoded.value : {};
  const { __s, __t, _last_updated } = value as Readonly<Record<string, unknown>>;
  const named = typeof __s === 'string' && typeof __t === 'string' ? tableOf({ __s, __t }).table : tableOfKey(record);
  const stamp = typeof _last_updated === 'string' ? parseStamp(_last_updated) : undefined;
  return { table: nameOrNull(named), stamp: stamp ?? null };
}

function tableOfKey({ key }: KafkaRecord): unknown {
  try {
    return JSON.parse(String(rawBytes(key)?.toString('utf8')))?._table;
  } catch {
    return undefined;
  }
}

const nameOrNull = (name: unknown): string | null =>
  typeof name === 'string' && name.length <= MAX_NAME_LENGTH && name.isWellFormed() && !name.includes('\0')
    ? name
    : null;
