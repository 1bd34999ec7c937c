import { type Db, send, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { chunksOf } from './chunks.ts';
import { insertLines } from './conflict-lines.ts';
import { columnArrays, hasSeen, isNewer, keyColumns, keyText, matchKey, type Plan } from './plan.ts';
import { imageExpression, keyExpression } from './stored.ts';

/**
 * Deletes rows of a register table that stand under a newer tombstone, for the keys of a source `k`, and logs those that the
 * tombstone had not seen: CTEs `gone` and `logged`. The same as if the tombstone had arrived after the row.
 */
export const buryRows = (plan: Plan, keys: string): string => /* sql */ `
gone as (
  delete from ${plan.rows} t using (${keys}) k, ${plan.tombstones} b
  where ${matchKey(plan, 't', 'k')} and ${matchKey(plan, 'b', 'k')} and ${isNewer('b', 't')}
  returning t.*, ${keyText(plan, 't')} as "concord key", ${hasSeen('b', 't')} as "concord seen", b._last_updated as "concord stamp",
    b._source_region as "concord region", b._version_vector as "concord vector", b.image as "concord image"),
${insertLines(`
  select concord.conflict_id(${nameOf(plan)}, ${keyExpression(plan, 'g')}, g._last_updated, g._source_region), ${nameOf(plan)},
    ${keyExpression(plan, 'g')}, 'delete_origin_differs', '', null::numeric, 'row', g._last_updated, g._source_region, g._version_vector,
    ${imageExpression(plan, 'g')}::json, 'tombstone', g."concord stamp", g."concord region", g."concord vector", g."concord image"
  from gone g where not g."concord seen"`)}`;

const nameOf = ({ table }: Plan): string => `'${table.name.replaceAll("'", "''")}'`;

/**
 * Buries the rows of these changes' keys that stand under a newer tombstone. Returns the changes whose row went. After the
 * inserts of a batch it runs as a later statement, with a newer snapshot: a tombstone may have been committed after the
 * statement that inserted began.
 */
export async function buryRowsOf(db: Db, plan: Plan, changes: readonly Change[]): Promise<Change[]> {
  const asked = await Promise.all(
    chunksOf(changes).map((chunk) => send<Beneath[]>(db, isAnyBeneath(plan), keysOf(plan, chunk))),
  );
  if (asked.every(([answer]) => answer?.beneath === false)) return [];
  const statement = `with ${buryRows(plan, unnestColumns(keyColumns(plan)))} select "concord key" as key from gone`;
  const sent = chunksOf(changes).map((chunk) => send<{ key: string }[]>(db, statement, keysOf(plan, chunk)));
  const gone = new Set((await Promise.all(sent)).flat().map(({ key }) => key));
  return gone.size === 0 ? [] : changes.filter((change) => gone.has(change.key));
}

type Beneath = { readonly beneath: boolean };

/** Nearly always the whole answer is no, and to plan the statement that buries takes longer than to ask. */
const isAnyBeneath = (plan: Plan): string => /* sql */ `
select exists (select from (${unnestColumns(keyColumns(plan))}) k, ${plan.tombstones} b, ${plan.rows} t
  where ${matchKey(plan, 'b', 'k')} and ${matchKey(plan, 't', 'k')} and ${isNewer('b', 't')}) as beneath`;

const keysOf = (plan: Plan, changes: readonly Change[]): string[] => columnArrays(keyColumns(plan), changes);
