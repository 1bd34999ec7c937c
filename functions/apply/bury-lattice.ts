import { compareLives } from '@concord/conflict';
import type { Db } from '@concord/runtime';
import type { Change } from './change.ts';
import { logConflicts } from './conflict-log.ts';
import { asLogged } from './merge-changes.ts';
import type { Plan } from './plan.ts';
import { readStates } from './states.ts';
import { burialOf, type JoinedState, joinState, raiseFloor } from './write-lattice.ts';
import { writeTombstones } from './write-states.ts';

/**
 * Joins rows of a lattice table that stand beneath a tombstone of their key with it: the same as if the tombstone had arrived after the
 * row. `keys` are in key order. Returns how many rows went.
 */
export async function buryLattices(db: Db, plan: Plan, keys: readonly Change[]): Promise<number> {
  const stored = await readStates(db, plan, keys);
  const joined = keys.flatMap((key): JoinedState[] => {
    const { row, tombstone } = stored.get(key) ?? {};
    const isBeneath = row !== undefined && tombstone !== undefined && compareLives(tombstone, row) > 0;
    return isBeneath ? [joinState({ row, tombstone }, row)] : [];
  });
  const overtaken = await writeTombstones(db, plan, joined.map(burialOf));
  const buried = joined.filter(({ state }) => !overtaken.includes(state));
  const losses = buried.flatMap(({ conflicts }) => conflicts.map((loss) => asLogged(loss, plan.table)));
  await logConflicts(db, plan.table.name, losses);
  await raiseFloor(db, buried);
  return buried.length;
}
