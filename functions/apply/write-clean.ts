import type { Db } from '@concord/runtime';
import type { Change } from './change.ts';
import {
  assignments,
  columnArrays,
  hasSeen,
  isNewer,
  keyColumns,
  keyText,
  matchKey,
  nameList,
  type Plan,
  unnestColumns,
} from './plan.ts';

/** A key such as `007`, which PostgreSQL prints as 7: cannot be told apart among others, so the rows go one by one. */
export class KeyTextMismatch extends Error {
  constructor(table: string) {
    super(`${table}: a written key prints differently from the incoming one`);
  }
}

const statements = new WeakMap<Plan, string>();

/**
 * One statement for the common case: writes the rows that are first or provably succeed what is stored (`decide` repeated
 * as the guard), and nothing else. What is refused (older, concurrent, buried) takes `write-joined.ts`.
 */
function statementOf(plan: Plan): string {
  const known = statements.get(plan);
  if (known !== undefined) return known;
  const columns = plan.rowColumns;
  const fresh = plan.table.partitioned ? 'true' : 't.xmax = 0';
  const text = /* sql */ `
with written as (
  insert into ${plan.rows} as t (${nameList(columns)}, _local) ${plan.overriding}
  select i.*, false from (${unnestColumns(columns)}) i
  where not exists (select from ${plan.tombstones} b where ${matchKey(plan, 'b', 'i')} and not (${hasSeen('i', 'b')}))
  on conflict (${nameList(keyColumns(plan))}) do update set ${assignments(plan, columns, 'excluded')}
  where ${isNewer('excluded', 't')} and ${hasSeen('excluded', 't')}
  returning ${keyText(plan, 't')} as key, ${fresh} as fresh)
select count(*)::int as written, count(*) filter (where fresh)::int as fresh,
  case when count(*) < $${columns.length + 1}::int then json_agg(key) end as keys from written`;
  statements.set(plan, text);
  return text;
}

export type CleanWrite = {
  readonly refused: readonly Change[];
  /** Some rows were inserted: a tombstone may have been committed meanwhile (see `delete-buried.ts`). */
  readonly inserted: boolean;
};

/** Writes rows of distinct keys in one statement. Throws PostgreSQL's error when it refuses any of them. */
export async function writeClean(db: Db, plan: Plan, changes: readonly Change[]): Promise<CleanWrite> {
  if (changes.length === 0) return { refused: [], inserted: false };
  const [row] = await db.unsafe<{ written: number; fresh: number; keys: string[] | null }[]>(statementOf(plan), [
    ...columnArrays(plan.rowColumns, changes),
    changes.length,
  ]);
  if (row === undefined) throw new Error('a count returned no row');
  if (row.written === changes.length) return { refused: [], inserted: row.fresh > 0 };
  const written = new Set(row.keys);
  const refused = changes.filter((change) => !written.has(change.key));
  if (refused.length !== changes.length - row.written) throw new KeyTextMismatch(plan.table.name);
  return { refused, inserted: row.fresh > 0 };
}
