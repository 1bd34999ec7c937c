import { type Db, send, unnestColumns } from '@concord/runtime';
import { buryRowsOf } from './bury.ts';
import type { Change } from './change.ts';
import { chunksOf } from './chunks.ts';
import { areLong } from './kept-values.ts';
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
} from './plan.ts';

/** A key such as `007`, which PostgreSQL prints as 7: cannot be told apart among others, so the rows go one by one. */
export class KeyTextMismatch extends Error {
  constructor(table: string) {
    super(`${table}: a written key prints differently from the incoming one`);
  }
}

/** Of rows of any length, and of long ones: no more texts than two, because each of them is prepared and planned. */
const statements = { short: new WeakMap<Plan, string>(), long: new WeakMap<Plan, string>() };

/**
 * One statement for the common case: writes the rows that are first or provably succeed what is stored (`decide` repeated
 * as the guard), and nothing else. What is refused (older, concurrent, buried) takes `write-joined.ts`. The tombstone is a
 * scalar subquery, because an anti-join may run as a hash join (PostgreSQL 16+) that locks the rows in no order.
 */
function statementOf(plan: Plan, long: boolean): string {
  const texts = long ? statements.long : statements.short;
  const known = texts.get(plan);
  if (known !== undefined) return known;
  const columns = plan.rowColumns;
  const fresh = plan.table.partitioned ? 'true' : 't.xmax = 0';
  const text = /* sql */ `
with written as (
  insert into ${plan.rows} as t (${nameList(columns)}, _local) ${plan.overriding}
  select i.*, false from (${unnestColumns(columns)}) i
  where (select ${hasSeen('i', 'b')} from ${plan.tombstones} b where ${matchKey(plan, 'b', 'i')}) is not false
  on conflict (${nameList(keyColumns(plan))}) do update set ${assignments(plan, columns, 'excluded', long)}
  where ${isNewer('excluded', 't')} and ${hasSeen('excluded', 't')}
  returning ${keyText(plan, 't')} as key, ${fresh} as fresh)
select count(*)::int as written, count(*) filter (where fresh)::int as fresh,
  case when count(*) < $${columns.length + 1}::int then (select json_agg(key) from written) end as keys,
  case when not bool_and(fresh) then (select json_agg(key) from written where fresh) end as fresh_keys
from written`;
  texts.set(plan, text);
  return text;
}

/** Keys where not all rows were written, and of the inserted ones where not all of these were. */
type Counts = { written: number; fresh: number; keys: string[] | null; fresh_keys: string[] | null };
type Sent = { readonly chunk: readonly Change[]; readonly answer: Promise<Counts[]> };

/**
 * Writes rows of one table chunk by chunk: while the server writes one, the next is made and sent. What a chunk has inserted is looked
 * at once more by a later statement: a tombstone may have been committed after the first one began (see `bury.ts`).
 */
export class CleanWriter {
  readonly #db: Db;
  readonly #plan: Plan;
  readonly #refused: Change[] = [];
  readonly #buried: Promise<Change[]>[] = [];
  #sent: Sent | undefined;

  constructor(db: Db, plan: Plan) {
    this.#db = db;
    this.#plan = plan;
  }

  /** Sends rows of distinct keys and waits for those sent before. Throws PostgreSQL's error when it refuses any of these. */
  async add(changes: readonly Change[]): Promise<void> {
    const { rowColumns } = this.#plan;
    for (const chunk of chunksOf(changes)) {
      const parameters = [...columnArrays(rowColumns, chunk), chunk.length];
      const answer = send<Counts[]>(this.#db, statementOf(this.#plan, areLong(chunk)), parameters);
      await this.receive();
      this.#sent = { chunk, answer };
    }
  }

  /** Waits for everything sent. Returns what was refused since the last time, and what was written and is buried again. */
  async end(): Promise<{ readonly refused: readonly Change[]; readonly buried: readonly Change[] }> {
    await this.receive();
    const buried = await Promise.all(this.#buried.splice(0));
    return { refused: this.#refused.splice(0), buried: buried.flat() };
  }

  /** Waits for the chunk that is under way, if any. */
  async receive(): Promise<void> {
    if (this.#sent === undefined) return;
    const { chunk, answer } = this.#sent;
    this.#sent = undefined;
    const [counts] = await answer;
    if (counts === undefined) throw new Error('a count returned no row');
    const written = writtenOf(this.#plan, chunk, counts);
    if (written.length < chunk.length) this.#refused.push(...without(chunk, written));
    if (counts.fresh === 0) return;
    const burial = buryRowsOf(this.#db, this.#plan, insertedOf(written, counts));
    burial.catch(() => undefined); // the transaction is over, and the next answer says so
    this.#buried.push(burial);
  }
}

const without = (chunk: readonly Change[], written: readonly Change[]): Change[] => {
  const known = new Set(written);
  return chunk.filter((change) => !known.has(change));
};

function writtenOf(plan: Plan, chunk: readonly Change[], { written, keys }: Counts): readonly Change[] {
  if (written === chunk.length) return chunk;
  const found = ofKeys(chunk, keys ?? []);
  if (found.length !== written) throw new KeyTextMismatch(plan.table.name);
  return found;
}

/** Those that were no updates; all, where a key prints differently. */
function insertedOf(written: readonly Change[], { fresh, fresh_keys: keys }: Counts): readonly Change[] {
  const found = keys === null ? written : ofKeys(written, keys);
  return found.length === fresh ? found : written;
}

function ofKeys(changes: readonly Change[], keys: readonly string[]): readonly Change[] {
  const known = new Set(keys);
  return changes.filter(({ key }) => known.has(key));
}
