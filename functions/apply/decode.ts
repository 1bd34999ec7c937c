import { parseStamp, parseVector, type Stamp } from '@concord/conflict';
import {
  type ChangeEvent,
  CONNECTOR_FIELDS,
  isChangeEvent,
  type KafkaRecord,
  LATTICE_COLUMNS,
  LOCAL_COLUMN,
  OVERSIZED,
  originOf,
  repairRunOf,
  STAMP_COLUMNS,
  type Topology,
  tableOf,
  UNAVAILABLE,
  whyNotChangeEvent,
} from '@concord/events';
import { decodeValue, type Table } from '@concord/runtime';
import { type Change, KEY_SEPARATOR, type Refusal } from './change.ts';
import { checkVersion, type Problem } from './check-version.ts';
import type { ReasonCode } from './reasons.ts';
import { withTags } from './tags.ts';

export type DecodeContext = {
  readonly topology: Topology;
  /** Enrolled tables of this database by name. */
  readonly tables: ReadonlyMap<string, Table>;
  /** This function's clock, µs since 1970: only stamps beyond the drift limit are judged by it, and those are parked. */
  readonly now: Stamp;
};

export type DecodedChange =
  | { readonly ok: true; readonly change: Change }
  | { readonly ok: false; readonly refusal: Refusal<ReasonCode> };

/** A record as a version of an enrolled table, or why not. Checks everything that the batch path later relies on. */
export function decodeChange(record: KafkaRecord, context: DecodeContext): DecodedChange {
  const refuse = (reason: ReasonCode, error: string): DecodedChange => ({
    ok: false,
    refusal: { record, reason, error },
  });
  const decoded = decodeValue(record.value, context.topology.limits.maxRecordBytes);
  if (!decoded.ok) return refuse(decoded.reason, decoded.error);
  if (!isChangeEvent(decoded.value)) return refuse('contract', whyNotChangeEvent(decoded.value));
  const event = decoded.value;
  const { table: name, kind } = tableOf(event);
  const table = context.tables.get(name);
  if (table === undefined) return refuse('unknown_table', `table ${name} is not enrolled here`);
  const columns = checkColumns(event, namesOf(table)[kind]);
  if (columns !== undefined) return refuse(...columns);
  const stamp = parseStamp(event._last_updated);
  if (stamp === undefined) return refuse('bad_version', `_last_updated '${event._last_updated}' is no stamp`);
  const key = keyOf(event, table);
  if (key === undefined) return refuse('bad_key', `a key column of ${name} is missing or NULL`);
  const { _source_region: region } = event;
  const vector = parseVector(event._version_vector);
  const insteadOf = repairRunOf(record)?.insteadOf;
  const plain: Change = {
    kind,
    stamp,
    region,
    vector,
    writes: Number(event._version),
    table: name,
    key,
    event,
    record,
    ...(insteadOf !== undefined && { insteadOf }),
  };
  const tagged = table.lattice || table.claims ? withTags(plain, table) : plain;
  if ('column' in tagged)
    return refuse('unknown_tag', `this release does not understand ${tagged.column}: ${tagged.text}`);
  const wrong = checkVersion(tagged, originOf(record).topic, context);
  return wrong === undefined ? { ok: true, change: tagged } : refuse(...wrong);
}

const OWN: readonly string[] = [...STAMP_COLUMNS, LOCAL_COLUMN, ...CONNECTOR_FIELDS];

type Names = { readonly row: ReadonlySet<string>; readonly tombstone: ReadonlySet<string> };
const names = new WeakMap<Table, Names>();

/** The names that an event of a table may hold; made once per table. */
function namesOf(table: Table): Names {
  const known = names.get(table);
  if (known !== undefined) return known;
  const made = {
    row: new Set([...table.columns.map((column) => column.name), ...OWN]),
    tombstone: new Set([
      ...table.key.map((column) => column.name),
      'image',
      ...OWN,
      ...(table.lattice ? LATTICE_COLUMNS : []),
    ]),
  };
  names.set(table, made);
  return made;
}

/** What a later release may add to versions decides about them; it is never passed over. */
const isOfConcord = (name: string): boolean => name.startsWith('_concord');

/** Every name must be one of the table's. Names only: a missing column means its constant default (see `plan.ts`). */
function checkColumns(event: ChangeEvent, known: ReadonlySet<string>): Problem | undefined {
  for (const name in event) {
    if (!known.has(name))
      return [isOfConcord(name) ? 'unknown_tag' : 'unknown_column', `column '${name}' does not exist here`];
    if (event[name] === UNAVAILABLE)
      return ['unavailable_value', `column '${name}' holds the placeholder of an unchanged TOAST value`];
    if (event[name] === OVERSIZED)
      return ['oversized', `the row is larger than limits.maxRecordBytes allows; column '${name}' was left out`];
  }
  return undefined;
}

/** A text that holds the separator itself must not make two rows one: such a key is never joined. */
export function keyOf(event: Readonly<Record<string, unknown>>, table: Table): string | undefined {
  const texts: string[] = [];
  for (const { name } of table.key) {
    const text = event[name];
    if (typeof text !== 'string') return undefined;
    texts.push(text);
  }
  const ambiguous = texts.length > 1 && texts.some((text) => text.includes(KEY_SEPARATOR));
  return ambiguous ? JSON.stringify(texts) : texts.join(KEY_SEPARATOR);
}
