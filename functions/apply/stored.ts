import { isNewer, type Vector, type Version } from '@concord/conflict';
import { type Db, printed, send, textsOf, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { columnArrays, imageColumns, keyColumns, matchKey, micros, type Plan, POSITION } from './plan.ts';

/** What is stored for the key of a change: row and tombstone, both locked until the transaction ends. */
export type Stored = { readonly row?: Version; readonly tombstone?: Version };

/** The state of a key is the greater of the two. */
export function stateOf({ row, tombstone }: Stored): Version | undefined {
  if (row === undefined || tombstone === undefined) return row ?? tombstone;
  return isNewer(row, tombstone) ? row : tombstone;
}

type Found = { n: number; stamp: string; region: string; vector: Vector; writes: string };

const keysWithPosition = (plan: Plan): string =>
  `(${unnestColumns(keyColumns(plan))}, generate_series(1, $${plan.keyNames.length + 1}::int) as ${POSITION}) k`;

/** Locks are taken in the order of the incoming changes, which is the key order of every applier: rows, then tombstones. */
const select = (plan: Plan, relation: string): string => /* sql */ `
select k.${POSITION} as n, ${micros('s._last_updated')} as stamp, s._source_region as region, s._version_vector as vector, s._version as writes
from ${keysWithPosition(plan)} join ${relation} s on ${matchKey(plan, 's', 'k')} order by k.${POSITION} for update of s`;

async function find(
  db: Db,
  plan: Plan,
  kind: Version['kind'],
  changes: readonly Change[],
): Promise<Map<Change, Version>> {
  const rows = await send<Found[]>(db, select(plan, kind === 'row' ? plan.rows : plan.tombstones), [
    ...columnArrays(keyColumns(plan), changes),
    changes.length,
  ]);
  return new Map(
    rows.map(({ n, stamp, region, vector, writes }) => [
      changes[n - 1] as Change,
      { kind, stamp: Number(stamp), region, vector, writes: Number(writes) },
    ]),
  );
}

/** Reads and locks what is stored for each change. */
export async function readStored(db: Db, plan: Plan, changes: readonly Change[]): Promise<Map<Change, Stored>> {
  const [rows, tombstones] = await Promise.all([find(db, plan, 'row', changes), find(db, plan, 'tombstone', changes)]);
  return new Map(
    changes.map((change) => {
      const [row, tombstone] = [rows.get(change), tombstones.get(change)];
      return [change, { ...(row && { row }), ...(tombstone && { tombstone }) }];
    }),
  );
}

/** Image and key of a stored row as the conflict log keeps them: texts, as in an event. */
export const imageExpression = (plan: Plan, alias: string): string =>
  `jsonb_object(${textsOf(imageColumns(plan), alias)})`;

export const keyExpression = (plan: Plan, alias: string): string =>
  `jsonb_build_array(${keyColumns(plan)
    .map((column) => printed(alias, column))
    .join(', ')})`;
