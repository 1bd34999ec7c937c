import { CLAIM_COLUMN, LATTICE_COLUMNS, STAMP_COLUMNS } from '@concord/events';
import {
  arrayLiteral,
  type Column,
  ident,
  printed,
  rowsOf,
  sameKey,
  type Table,
  tombstoneColumns,
  tombstonesOf,
  writableColumns,
} from '@concord/runtime';
import { type Change, KEY_SEPARATOR } from './change.ts';
import { keptValue } from './kept-values.ts';

/**
 * What the statements of one table share: quoted names, the source (one bound array per column, unnested in the select
 * list: the fastest way in that was measured) and the comparisons of versions.
 */
export type Plan = {
  readonly table: Table;
  readonly rows: string;
  readonly tombstones: string;
  readonly keyNames: readonly string[];
  /** Names that an insert lists; `_local` comes last and is always false. */
  readonly rowColumns: readonly Column[];
  readonly tombstoneColumns: readonly Column[];
  /** `overriding system value`, where a key is GENERATED ALWAYS. */
  readonly overriding: string;
};

const NO_IMAGE: ReadonlySet<string> = new Set([...STAMP_COLUMNS, ...LATTICE_COLUMNS, CLAIM_COLUMN]);

const plans = new WeakMap<Table, Plan>();

export function planOf(table: Table): Plan {
  const known = plans.get(table);
  if (known !== undefined) return known;
  const plan = makePlan(table);
  plans.set(table, plan);
  return plan;
}

function makePlan(table: Table): Plan {
  const rowColumns = writableColumns(table).filter((column) => column.name !== '_local');
  const keyNames = table.key.map((column) => column.name);
  return {
    table,
    rows: rowsOf(table),
    tombstones: tombstonesOf(table),
    keyNames,
    rowColumns,
    tombstoneColumns: tombstoneColumns(table),
    overriding: table.columns.some((column) => column.identity === 'always') ? 'overriding system value' : '',
  };
}

export const keyColumns = (plan: Plan): readonly Column[] => plan.tombstoneColumns.slice(0, plan.keyNames.length);

export const nameList = (columns: readonly Column[]): string => columns.map(({ name }) => ident(name)).join(', ');

/** The position of a key in a source: no column of a table has this name. */
export const POSITION = '"concord n"';

/**
 * The arrays to bind for `unnestColumns`. A column that the event does not have means its constant default. Row by row: each
 * event is looked at once.
 */
export function columnArrays(columns: readonly Column[], changes: readonly Change[]): string[] {
  const arrays = columns.map((): (string | null)[] => new Array(changes.length));
  changes.forEach(({ event }, row) => {
    columns.forEach(({ name, constantDefault }, index) => {
      const value = event[name];
      // A column may be called `constructor`, which every object has.
      const text = typeof value === 'string' || value === null ? value : constantDefault;
      (arrays[index] as (string | null)[])[row] = text;
    });
  });
  return arrays.map(arrayLiteral);
}

/**
 * Assignments of all but the key; the key too where equal keys may print differently, so that all regions print alike. `long`: values that
 * are stored out of line and have not changed stay where they are.
 */
export function assignments(plan: Plan, columns: readonly Column[], from: string, long: boolean): string {
  const fixed = new Set(plan.table.key.filter((key) => key.canonical).map((key) => key.name));
  const value = (column: Column): string =>
    long && !NO_IMAGE.has(column.name) ? keptValue(column, from) : `${from}.${ident(column.name)}`;
  return [
    ...columns.filter(({ name }) => !fixed.has(name)).map((column) => `${ident(column.name)} = ${value(column)}`),
    '_local = false',
  ].join(', ');
}

/** µs since 1970 of a timestamptz, exactly. */
export const micros = (stamp: string): string => `(extract(epoch from ${stamp}) * 1000000)::int8`;

/** The order of versions (`compare` of layers/conflict). */
export const isNewer = (a: string, b: string): string =>
  `(${a}._last_updated, ${a}._source_region) > (${b}._last_updated, ${b}._source_region)`;

const life = (alias: string): string =>
  `(coalesce((${alias}._incarnation ->> 0)::int8, ${micros(`${alias}._last_updated`)}), coalesce(${alias}._incarnation ->> 1, ${alias}._source_region) collate "C")`;

/** Does a row lie beneath a tombstone of its key (`compareLives` of layers/conflict)? On a lattice table: it ended the row's life, or a later one. */
export const isRuled = ({ table }: Plan, row: string, tombstone: string): string =>
  table.lattice ? `${life(tombstone)} >= ${life(row)}` : isNewer(tombstone, row);

/**
 * `hasSeen` of layers/conflict: does `later`'s vector contain `earlier`? Compared as timestamptz, which is as exact (an interval
 * is multiplied as float8, and a stamp is below 2^53) and a tenth of the work of `micros`.
 */
export const hasSeen = (later: string, earlier: string): string =>
  `timestamptz 'epoch' + coalesce((${later}._version_vector ->> ${earlier}._source_region)::int8, 0) * interval '1 microsecond' >= ${earlier}._last_updated`;

export const matchKey = (plan: Plan, a: string, b: string): string => sameKey(plan.table, a, b);

/** The key texts of a row, joined as in `Change.key`. */
export const keyText = (plan: Plan, alias: string): string =>
  keyColumns(plan)
    .map((column) => printed(alias, column))
    .join(` || '${KEY_SEPARATOR}' || `);

/** The columns of an image: what the application knows of a row. */
export const imageColumns = (plan: Plan): Column[] => plan.rowColumns.filter(({ name }) => !NO_IMAGE.has(name));
