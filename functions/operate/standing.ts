import type { Ranked, Vector } from '@concord/conflict';
import {
  type Column,
  ident,
  rowsOf,
  sameKey,
  type Table,
  type TransactionSql,
  textsOf,
  tombstonesOf,
} from '@concord/runtime';
import { type ConflictLine, type Image, imageOf, iso } from './conflict-line.ts';

type Dot = readonly [stamp: number, region: string];

/** A version that stands now. */
export type StandingVersion = Ranked & {
  readonly kind: 'row' | 'tombstone' | 'held';
  /** The stamp for people, ISO 8601 in UTC. */
  readonly at: string;
  readonly vector: Vector;
  readonly image: Image | null;
  /** Of a lattice table: the insert that began the row's life, and the last writes of its registers. */
  readonly incarnation: Dot | null;
  readonly registers: Readonly<Record<string, Dot>> | null;
};

/** What stands where a conflict was: the row, its tombstone, the row in limbo, or nothing (a tombstone that was collected). */
export type Standing = { readonly kind: 'nothing' } | StandingVersion;

type Found = Omit<StandingVersion, 'kind' | 'image'> & { readonly image: Record<string, unknown> | null };

/** Columns that a write may name. */
export const writable = ({ columns }: Table): Column[] => columns.filter(({ generated }) => !generated);

const versionOf = (table: Table, image: string): string => /* sql */ `
${image} as image, (extract(epoch from t._last_updated) * 1000000)::int8::float8 as stamp, t._source_region as region,
${iso('t._last_updated')} as at, t._version_vector as vector,
${table.lattice ? 't._incarnation as incarnation, t._column_stamps as registers' : 'null::jsonb as incarnation, null::jsonb as registers'}`;

const rowImage = (table: Table): string => `jsonb_object(${textsOf(writable(table), 't')})`;

const keyOf = (table: Table): string =>
  `select ${table.key.map(({ name }, index) => `$${index + 1}::text::${typeOf(table, name)} as ${ident(name)}`).join(', ')}`;

/** The type that a text is cast to in order to be a value of a column. */
export function typeOf(table: Table, name: string): string {
  const column = table.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`${table.name} has no column ${name}`);
  return column.type;
}

const HELD = /* sql */ `
select event as image, (extract(epoch from stamp) * 1000000)::int8::float8 as stamp, region, ${iso('stamp')} as at,
  (event ->> '_version_vector')::jsonb as vector, (event ->> '_incarnation')::jsonb as incarnation,
  (event ->> '_column_stamps')::jsonb as registers
from concord.limbo where table_name = $1::text and key = $2::text::jsonb`;

/** Reads it, texts as events carry them (`setPrinting`). With `lock` a row stays as it is until the transaction ends. */
export async function readStanding(
  tx: TransactionSql,
  table: Table,
  { key }: Pick<ConflictLine, 'key'>,
  lock = false,
): Promise<Standing> {
  const stored = (relation: string, image: string, locking: string): Promise<Found[]> =>
    tx.unsafe<Found[]>(
      `select ${versionOf(table, image)} from (${keyOf(table)}) k join ${relation} t on ${sameKey(table, 't', 'k')} ${locking}`,
      [...key],
    );
  const [row] = await stored(rowsOf(table), rowImage(table), lock ? 'for update of t' : '');
  if (row !== undefined) return standingOf('row', row);
  const [held] = await tx.unsafe<Found[]>(HELD, [table.name, JSON.stringify(key)]);
  if (held !== undefined) return standingOf('held', held);
  const [tombstone] = await stored(tombstonesOf(table), 't.image', '');
  return tombstone === undefined ? { kind: 'nothing' } : standingOf('tombstone', tombstone);
}

const standingOf = (kind: StandingVersion['kind'], found: Found): Standing => ({
  ...found,
  kind,
  image: imageOf(found.image),
});
