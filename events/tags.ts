import { REGION_KEY } from './region.ts';

type Ranked = { readonly stamp: number; readonly region: string };
type Registers = Readonly<Record<string, Ranked>>;
type Counter = Readonly<Record<string, readonly [stamp: number, sum: string]>>;
type Counters = Readonly<Record<string, Counter>>;

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
