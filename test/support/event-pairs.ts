import assert from 'node:assert/strict';
import { type ChangeEvent, CONNECTOR_FIELDS } from '@concord/events';
import { arrayLiteral, type Sql } from '@concord/runtime';

/** One record of a capture: its Kafka key, its event, and the partition where it stands. */
export type Captured = {
  readonly key: Readonly<Record<string, string | null>>;
  readonly event: ChangeEvent;
  readonly partition: number;
};

type ColumnType = { readonly type: string; readonly label: string };
/** By `schema.table column`; grows, because columns are dropped and renamed between the events. */
export type ColumnTypes = Map<string, ColumnType>;

const COLUMN_TYPES = /* sql */ `
with recursive base as (
  select oid, oid as base from pg_type where typtype <> 'd'
  union all select t.oid, b.base from pg_type t join base b on b.oid = t.typbasetype where t.typtype = 'd')
select n.nspname || '.' || c.relname || ' ' || a.attname as name, format_type(a.atttypid, -1) as type,
  format_type(b.base, -1) || case when b.base = b.oid then '' else ' in a domain' end as label
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace join base b on b.oid = a.atttypid
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')`;

export async function addColumnTypes(sql: Sql, types: ColumnTypes): Promise<void> {
  const rows = await sql.unsafe<(ColumnType & { name: string })[]>(COLUMN_TYPES);
  for (const { name, type, label } of rows) types.set(name, { type, label });
}

const relationOf = ({ __s, __t }: ChangeEvent): string => `${__s}.${__t}`;

function typeOf(types: ColumnTypes, event: ChangeEvent, name: string): ColumnType {
  const found = types.get(`${relationOf(event)} ${name}`);
  assert.ok(found !== undefined, `${relationOf(event)} has never had a column ${name}`);
  return found;
}

/** Pairs of texts of one type. */
type Pair = readonly [one: string, other: string];

const isField = (name: string): boolean => (CONNECTOR_FIELDS as readonly string[]).includes(name);

/**
 * Compares two captures of the same writes: the same events in the same order per key, and in the order of `one` in each
 * partition of `other`; values equal as values of their columns' types. Returns what is spelled differently: names of fields
 * and types. Throws an AssertionError for any other difference.
 */
export async function compareCaptures(
  sql: Sql,
  types: ColumnTypes,
  one: readonly Captured[],
  other: readonly Captured[],
): Promise<string[]> {
  const rowOf = await canonicalKeys(sql, types, [...one, ...other]);
  const [ours, theirs] = [Map.groupBy(one, rowOf), Map.groupBy(other, rowOf)];
  assert.deepEqual([...theirs.keys()].toSorted(), [...ours.keys()].toSorted());
  const position = new Map(one.map((captured, index) => [captured, index]));
  const counterpart = new Map<Captured, number>();
  const differences = new Set<string>();
  const pairs = new Map<ColumnType, Pair[]>();
  for (const [row, events] of ours) {
    const found = theirs.get(row) ?? [];
    assert.deepEqual(found.map(outline), events.map(outline), row);
    for (const [index, captured] of events.entries()) {
      const match = found[index] as Captured;
      counterpart.set(match, position.get(captured) ?? -1);
      for (const name of fieldsThatDiffer(captured, match)) differences.add(name);
      collectPairs(types, captured.event, match.event, pairs);
    }
  }
  for (const [{ type, label }, texts] of pairs) {
    await assertEqual(sql, type, texts);
    differences.add(label);
  }
  assertOrder(other, counterpart);
  return [...differences]
    .filter((name) => !differences.has(name.replace(/ in a domain$/, '')) || !name.endsWith(' in a domain'))
    .toSorted();
}

/** What has to be the same whatever the spelling: what happened, and the columns in their order. */
const outline = ({ event }: Captured): readonly string[] => [
  `${event.__op} ${event._last_updated} ${event._version} ${event.__txId}`,
  ...Object.keys(event),
];

function* fieldsThatDiffer(one: Captured, other: Captured): Generator<string> {
  for (const name of CONNECTOR_FIELDS) if (one.event[name] !== other.event[name]) yield name;
  assert.deepEqual(Object.keys(one.key), Object.keys(other.key));
  if (one.key._table !== other.key._table) yield '_table';
  for (const { key, event } of [one, other])
    for (const name of Object.keys(key)) if (name !== '_table') assert.equal(key[name], event[name], name);
}

function collectPairs(types: ColumnTypes, one: ChangeEvent, other: ChangeEvent, pairs: Map<ColumnType, Pair[]>): void {
  for (const name of Object.keys(one)) {
    const [a, b] = [one[name], other[name]];
    if (a === b || isField(name)) continue;
    assert.ok(typeof a === 'string' && typeof b === 'string', `${relationOf(one)} ${name}: ${a} and ${b}`);
    const type = typeOf(types, one, name);
    pairs.set(type, [...(pairs.get(type) ?? []), [a, b]]);
  }
}

async function assertEqual(sql: Sql, type: string, pairs: readonly Pair[]): Promise<void> {
  const unequal = await sql.unsafe(
    `select one, other from unnest($1::text[], $2::text[]) p (one, other) where format('%s', one::${type}) is distinct from format('%s', other::${type})`,
    [arrayLiteral(pairs.map(([one]) => one)), arrayLiteral(pairs.map(([, other]) => other))],
  );
  assert.deepEqual([...unequal], [], type);
}

/** `public.t ["1.50"]`: the row that an event is about, its key as PostgreSQL prints it. */
async function canonicalKeys(
  sql: Sql,
  types: ColumnTypes,
  all: readonly Captured[],
): Promise<(captured: Captured) => string> {
  const texts = new Map<string, Set<string>>();
  const keyOf = ({ key, event }: Captured): (readonly [type: string, text: string])[] =>
    Object.entries(key)
      .filter(([name]) => name !== '_table')
      .map(([name, text]) => [typeOf(types, event, name).type, String(text)]);
  for (const captured of all)
    for (const [type, text] of keyOf(captured)) texts.set(type, (texts.get(type) ?? new Set()).add(text));
  const printed = new Map<string, string>();
  for (const [type, distinct] of texts) {
    const rows = await sql.unsafe<{ text: string; printed: string }[]>(
      `select text, format('%s', text::${type}) as printed from unnest($1::text[]) text`,
      [arrayLiteral([...distinct])],
    );
    for (const row of rows) printed.set(`${type} ${row.text}`, row.printed);
  }
  return (captured) =>
    `${relationOf(captured.event)} ${JSON.stringify(keyOf(captured).map(([type, text]) => printed.get(`${type} ${text}`)))}`;
}

function assertOrder(other: readonly Captured[], counterpart: ReadonlyMap<Captured, number>): void {
  for (const [partition, events] of Map.groupBy(other, (captured) => captured.partition)) {
    const positions = events.map((captured) => counterpart.get(captured) ?? -1);
    assert.deepEqual(
      positions,
      positions.toSorted((a, b) => a - b),
      `the order of partition ${partition}`,
    );
  }
}
