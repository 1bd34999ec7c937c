import type { Claimant, Ranked } from '@concord/conflict';
import { type Db, ident, printed, send, type UniqueKey, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { columnArrays, keyColumns, type Plan } from './plan.ts';

/*
 * Expressions and predicates of an index name the table's columns without a table. So each statement here has one source that
 * has such names: the others' names begin with "concord ".
 */
const part = (index: number): string => `"concord ${index}"`;

const conditionOf = ({ expressions, predicate, nullsNotDistinct }: UniqueKey): string => {
  const present = nullsNotDistinct ? [] : expressions.map((expression) => `(${expression}) is not null`);
  return [`(${predicate ?? 'true'})`, ...present].join(' and ');
};

/** Rows as rows of the table, numbered from 1, with what PostgreSQL would generate. */
function given({ rowColumns, table }: Plan): string {
  const rows = `${unnestColumns(rowColumns)}, generate_series(1, $${rowColumns.length + 1}::int) as "concord n"`;
  const generated = table.columns.flatMap(({ name, generation }) =>
    generation === null || generation === undefined ? [] : [`(${generation}) as ${ident(name)}`],
  );
  return generated.length === 0 ? rows : `select r.*, ${generated.join(', ')} from (${rows}) r`;
}

const parametersOf = ({ rowColumns }: Plan, changes: readonly Change[]): (string | number)[] => [
  ...columnArrays(rowColumns, changes),
  changes.length,
];

/** The keys of visible rows that hold a value of this index which one of the given rows wants. */
function rivalsBy(plan: Plan, unique: UniqueKey): string {
  const wanted = unique.expressions.map((expression, index) => `(${expression}) as ${part(index)}`).join(', ');
  const equal = unique.expressions.map((expression, index) =>
    unique.nullsNotDistinct
      ? `((${expression}) = k.${part(index)} or ((${expression}) is null and k.${part(index)} is null))`
      : `(${expression}) = k.${part(index)}`,
  );
  const keys = keyColumns(plan).map((column) => `${printed('t', column)} as ${ident(column.name)}`);
  return `select ${keys.join(', ')} from (select ${wanted} from given where ${conditionOf(unique)}) k
    join ${plan.rows} t on ${[...equal, `(${unique.predicate ?? 'true'})`].join(' and ')}`;
}

/** Primary keys (texts by column) of the visible rows that hold a unique value which one of these rows has or wants. */
export async function readRivals(db: Db, plan: Plan, changes: readonly Change[]): Promise<Record<string, string>[]> {
  if (changes.length === 0) return [];
  const parts = plan.table.uniques.map((unique) => rivalsBy(plan, unique));
  return send<Record<string, string>[]>(
    db,
    `with given as materialized (${given(plan)}) select distinct * from (${parts.join(' union all ')}) rivals`,
    parametersOf(plan, changes),
  );
}

/** Equal values of one index get one number. */
function classesOf(unique: UniqueKey, index: number): string {
  const values = unique.expressions.map((expression) => `(${expression})`).join(', ');
  return `select ${index} as "index", "concord n" as n, dense_rank() over (order by ${values}) as class from given where ${conditionOf(unique)}`;
}

/** A row with what it holds of the table's unique values. */
export type RowClaim = Claimant & { readonly change: Change };

/** A version from before the table had claims has its own stamp and region. */
export const claimOf = ({ claim, stamp, region }: Change): Ranked => claim ?? { stamp, region };

/** What each of these rows holds. The equality is the index's own: expressions, predicates and collations are evaluated by PostgreSQL. */
export async function readClaims(db: Db, plan: Plan, changes: readonly Change[]): Promise<RowClaim[]> {
  if (changes.length === 0) return [];
  const rows = await send<{ index: number; n: string; class: string }[]>(
    db,
    `with given as materialized (${given(plan)}) ${plan.table.uniques.map(classesOf).join(' union all ')}`,
    parametersOf(plan, changes),
  );
  const holds = changes.map((): string[] => []);
  for (const { index, n, class: value } of rows) holds[Number(n) - 1]?.push(`${index}:${value}`);
  return changes.map((change, index) => ({
    change,
    key: change.key,
    claim: claimOf(change),
    holds: holds[index] ?? [],
  }));
}
