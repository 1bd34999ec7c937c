/**
 * Of one counter column, per region (with incarnation): the stamp of its last addition, and the sum of all of them, as decimal
 * text. A stamp, not a count: it is the identity of what is lost with it, whatever else the region has written since.
 */
export type Counter = Readonly<Record<string, readonly [stamp: number, sum: string]>>;

/** By column. A state-based PN counter (Shapiro et al. 2011): joined by the later stamp of each region. */
export type Counters = Readonly<Record<string, Counter>>;

const entriesOf = <T>(record: Readonly<Record<string, T>>): [string, T][] => Object.entries(record);

const joinCounter = (a: Counter, b: Counter): Counter => {
  const joined: Record<string, readonly [number, string]> = { ...a };
  for (const [region, entry] of entriesOf(b)) {
    const known = Object.hasOwn(joined, region) ? joined[region] : undefined;
    if (known === undefined || entry[0] > known[0]) joined[region] = entry;
  }
  return joined;
};

/** The pointwise join: of each column and region the entry with the later stamp. A column may be called `__proto__`. */
export function joinCounters(a: Counters, b: Counters): Counters {
  const joined = new Map(entriesOf(a));
  for (const [column, counter] of entriesOf(b)) joined.set(column, joinCounter(joined.get(column) ?? {}, counter));
  return Object.fromEntries(joined);
}

/** What the application sees: the sum over all regions, as PostgreSQL's numeric prints it. */
export const counterValue = (counter: Counter): string =>
  entriesOf(counter).reduce((sum, [, entry]) => addDecimals(sum, entry[1]), '0');

type Decimal = { readonly digits: bigint; readonly scale: number };

function parse(text: string): Decimal {
  const dot = text.indexOf('.');
  return dot < 0
    ? { digits: BigInt(text), scale: 0 }
    : { digits: BigInt(text.slice(0, dot) + text.slice(dot + 1)), scale: text.length - dot - 1 };
}

/** `-0.00` is; what a number would round to 0 is not. */
export const isZero = (decimal: string): boolean => parse(decimal).digits === 0n;

/** Exact decimal addition with the greater scale of the two, as numeric's `+`: `addDecimals('1.50', '-2')` is `-0.50`. */
export function addDecimals(a: string, b: string): string {
  const [x, y] = [parse(a), parse(b)];
  const scale = Math.max(x.scale, y.scale);
  const sum = x.digits * 10n ** BigInt(scale - x.scale) + y.digits * 10n ** BigInt(scale - y.scale);
  const digits = String(sum < 0n ? -sum : sum).padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return sum < 0n ? `-${text}` : text;
}
