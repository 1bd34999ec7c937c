import { type Db, send } from '@concord/runtime';
import type { Change } from './change.ts';
import { chunksOf } from './chunks.ts';
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
 * as the guard), and nothing else. What is refused (older, concurrent, buried) takes `write-joined.ts`. The tombstone is a
 * scalar subquery, because an anti-join may run as a hash join (PostgreSQL 16+) that locks the rows in no order.
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
  where (select ${hasSeen('i', 'b')} from ${plan.tombstones} b where ${matchKey(plan, 'b', 'i')}) is not false
  on conflict (${nameList(keyColumns(plan))}) do update set ${assignments(plan, columns, 'excluded')}
  where ${isNewer('excluded', 't')} and ${hasSeen('excluded', 't')}
  returning ${keyText(plan, 't')} as key, ${fresh} as fresh)
select count(*)::int as written, count(*) filter (where fresh)::int as fresh,
  case when count(*) < $${columns.length + 1}::int then json_agg(key) end as keys from written`;
  statements.set(plan, text);
  return text;
}

export type CleanWrite = {
  readonly refused: Change[];
  /** Of chunks that inserted rows all that was written: a tombstone may have been committed meanwhile (see `bury.ts`). */
  readonly inserted: Change[];
};

/** So few rows first that the server has something to do while the next chunk is made. */
const FIRST_CHUNK = 250;

/**
 * Writes rows of distinct keys, in chunks; while the server writes one, the next is made and sent. Throws PostgreSQL's error
 * when it refuses any row.
 */
export async function writeClean(db: Db, plan: Plan, changes: readonly Change[]): Promise<CleanWrite> {
  const total: CleanWrite = { refused: [], inserted: [] };
  const chunks = chunksOf(changes, FIRST_CHUNK);
  let sent = sendChunk(db, plan, chunks[0]);
  for (const [index, chunk] of chunks.entries()) {
    const following = sendChunk(db, plan, chunks[index + 1]);
    const [row] = (await sent) ?? [];
    if (row === undefined) throw new Error('a count returned no row');
    sent = following;
    const refused = refusedOf(plan, chunk, row);
    total.refused.push(...refused);
    if (row.fresh === 0) continue;
    const gone = new Set(refused);
    total.inserted.push(...chunk.filter((change) => !gone.has(change)));
  }
  return total;
}

type Counts = { written: number; fresh: number; keys: string[] | null };

const sendChunk = (db: Db, plan: Plan, chunk: readonly Change[] | undefined): Promise<Counts[]> | undefined =>
  chunk && send<Counts[]>(db, statementOf(plan), [...columnArrays(plan.rowColumns, chunk), chunk.length]);

function refusedOf(plan: Plan, chunk: readonly Change[], { written, keys }: Counts): Change[] {
  if (written === chunk.length) return [];
  const known = new Set(keys);
  const refused = chunk.filter(({ key }) => !known.has(key));
  if (refused.length !== chunk.length - written) throw new KeyTextMismatch(plan.table.name);
  return refused;
}
