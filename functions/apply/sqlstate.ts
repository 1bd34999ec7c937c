import { Overtaken } from './overtaken.ts';
import type { ReasonCode } from './reasons.ts';
import { KeyTextMismatch } from './write-clean.ts';

/**
 * What an error of PostgreSQL means for a batch:
 * `row` – the data of one row is refused: isolate it and park it; `schema` – the catalogue that we hold is stale;
 * `again` – the transaction lost a race: run it again now; `away` – the database cannot work: fail the batch, keep the order.
 */
export type Meaning =
  | { readonly kind: 'row'; readonly reason: ReasonCode }
  | { readonly kind: 'schema' | 'again' | 'away' };

/**
 * What input functions raise beside data exceptions: syntax (tsquery, jsonpath, hstore, ltree), names (regclass and its like),
 * and, up to PostgreSQL 15 in hstore, an internal error.
 */
const INPUT_ERRORS = ['42601', '42602', '42622', '42725', '42883', '3F000', 'XX000'];

const EXACT: Readonly<Record<string, Meaning>> = {
  '23505': { kind: 'row', reason: 'unique' },
  '55P03': { kind: 'row', reason: 'locked' },
  '40001': { kind: 'again' },
  '40P01': { kind: 'again' },
  '21000': { kind: 'row', reason: 'bad_key' },
  ...Object.fromEntries(INPUT_ERRORS.map((code) => [code, { kind: 'row', reason: 'refused' } as const])),
  '42703': { kind: 'schema' },
  '42P01': { kind: 'schema' },
  '42P10': { kind: 'schema' },
  '42804': { kind: 'schema' },
  '42704': { kind: 'schema' },
  '0A000': { kind: 'schema' },
};

/** Classes (first two characters): data exception, constraint, with check, limits (depth, size), and users' own functions. */
const CLASSES: Readonly<Record<string, Meaning>> = {
  '22': { kind: 'row', reason: 'refused' },
  '23': { kind: 'row', reason: 'refused' },
  '44': { kind: 'row', reason: 'refused' },
  '54': { kind: 'row', reason: 'refused' },
  P0: { kind: 'row', reason: 'refused' },
  '2F': { kind: 'row', reason: 'refused' },
  '38': { kind: 'row', reason: 'refused' },
};

/** Unknown codes mean `away`: the batch is delivered again, nothing is lost, and somebody sees the error. */
export function meaningOf(error: unknown): Meaning {
  if (error instanceof Overtaken) return { kind: 'again' };
  if (error instanceof KeyTextMismatch) return { kind: 'row', reason: 'bad_key' };
  const code = sqlState(error);
  if (code === undefined) return { kind: 'away' };
  return EXACT[code] ?? CLASSES[code.slice(0, 2)] ?? { kind: 'away' };
}

/** Connection, read-only server, authorization, missing database, resources, shutdown, input and output. */
const OUTAGES = /^(?:08|25|28|3D|53|57P|58)/;

/** Could the database do nothing at all, whatever it was asked? */
export function isOutage(error: unknown): boolean {
  const code = sqlState(error);
  return code === undefined || OUTAGES.test(code);
}

export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
