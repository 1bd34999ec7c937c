import type { Counter, Counters, Lattice, Ranked, Registers } from '@concord/conflict';
import { CLAIM_COLUMN, LATTICE_COLUMNS, REGION_KEY } from '@concord/events';
import type { Table } from '@concord/runtime';
import type { Change } from './change.ts';

/*
 * The texts of the jsonb columns that select the join and feed it. One that does not look exactly as this release writes it is
 * from another release: undefined, never guessed.
 */
const isRegionKey = new RegExp(`^${REGION_KEY}$`);
/** numeric has at most 1000 digits where a precision is declared; what is longer would only keep the function busy. */
const DECIMAL = /^-?\d{1,1000}(?:\.\d{1,1000})?$/;

type Entries<T> = readonly (readonly [name: string, value: T])[];

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The parsed entries of an object, or undefined if any is not as it should be. A name may be one that every object has. */
function entriesOf<T>(value: unknown, parse: (value: unknown) => T | undefined): Entries<T> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries: [string, T][] = [];
  for (const [name, part] of Object.entries(value)) {
    const parsed = parse(part);
    if (parsed === undefined) return undefined;
    entries.push([name, parsed]);
  }
  return entries;
}

function rankedOf(value: unknown): Ranked | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [stamp, region]: unknown[] = value;
  if (!isCount(stamp) || typeof region !== 'string') return undefined;
  const isBottom = stamp === 0 && region === '';
  return isBottom || isRegionKey.test(region) ? { stamp, region } : undefined;
}

function addedOf(value: unknown): Counter[string] | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [stamp, sum]: unknown[] = value;
  return isCount(stamp) && typeof sum === 'string' && DECIMAL.test(sum) ? [stamp, sum] : undefined;
}

function counterOf(value: unknown): Counter | undefined {
  const entries = entriesOf(value, addedOf);
  const isOfRegion = ([region, [stamp]]: Entries<Counter[string]>[number]): boolean =>
    rankedOf([stamp, region]) !== undefined;
  return entries?.every(isOfRegion) ? Object.fromEntries(entries) : undefined;
}

/** `[1795243754332068, "us-east-1"]`; a row from before enrolment has `[0, ""]`. */
export const parseRanked = (text: string): Ranked | undefined => rankedOf(parseJson(text));

/** `{"city,street": [1795243754332068, "us-east-1"]}` */
export function parseRegisters(text: string): Registers | undefined {
  const entries = entriesOf(parseJson(text), rankedOf);
  return entries === undefined || entries.some(([name]) => name === '') ? undefined : Object.fromEntries(entries);
}

/** `{"stock": {"us-east-1": [1795243754332068, "-5"]}}` */
export function parseCounters(text: string): Counters | undefined {
  const entries = entriesOf(parseJson(text), counterOf);
  return entries === undefined ? undefined : Object.fromEntries(entries);
}

export const formatRanked = ({ stamp, region }: Ranked): string => JSON.stringify([stamp, region]);

export const formatRegisters = (registers: Registers): string =>
  JSON.stringify(
    Object.fromEntries(Object.entries(registers).map(([name, { stamp, region }]) => [name, [stamp, region]])),
  );

export const formatCounters = (counters: Counters): string => JSON.stringify(counters);

/** A tag that this release does not understand. */
export type UnknownTag = { readonly column: string; readonly text: string };

type Event = Change['event'];
const [INCARNATION, REGISTERS, COUNTERS] = LATTICE_COLUMNS;

const textIn = (event: Event, name: string): string | undefined => {
  const text = event[name];
  return typeof text === 'string' ? text : undefined;
};

const unknown = (event: Event, column: string): UnknownTag => ({
  column,
  text: String(textIn(event, column) ?? null).slice(0, 200),
});

/**
 * A version of a table that has such columns, with what they say. Without an incarnation it is a version of a register table;
 * a row without a claim claims what it holds since its own write.
 */
export function withTags(change: Change, table: Pick<Table, 'lattice' | 'claims'>): Change | UnknownTag {
  const lattice = table.lattice ? readLattice(change.event) : undefined;
  if (lattice !== undefined && 'column' in lattice) return lattice;
  const tagged = lattice === undefined ? change : { ...change, lattice };
  if (!table.claims || change.kind === 'tombstone') return tagged;
  const text = textIn(change.event, CLAIM_COLUMN);
  const claim = text === undefined ? { stamp: change.stamp, region: change.region } : parseRanked(text);
  return claim === undefined ? unknown(change.event, CLAIM_COLUMN) : { ...tagged, claim };
}

function readLattice(event: Event): Lattice | UnknownTag | undefined {
  const [first, second, third] = LATTICE_COLUMNS.map((name) => textIn(event, name));
  if (first === undefined && second === undefined && third === undefined) return undefined;
  const incarnation = first === undefined ? undefined : parseRanked(first);
  if (incarnation === undefined) return unknown(event, INCARNATION);
  const registers = second === undefined ? undefined : parseRegisters(second);
  if (registers === undefined) return unknown(event, REGISTERS);
  const counters = third === undefined ? undefined : parseCounters(third);
  if (counters === undefined) return unknown(event, COUNTERS);
  return { incarnation, registers, counters, txId: event._tx_id };
}
