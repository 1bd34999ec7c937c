import type { Db } from '@concord/runtime';
import { buryInserted } from './bury.ts';
import type { Change } from './change.ts';
import { chunksOf } from './chunks.ts';
import type { Group } from './collapse.ts';
import { logConflicts, ofIncoming } from './conflict-log.ts';
import type { Plan } from './plan.ts';
import { writeClean } from './write-clean.ts';
import { type JoinedWrite, writeJoined } from './write-joined.ts';

/** Changes that were not applied because a newer version is there, and how many conflicts were logged for the first time. */
export type Written = { readonly superseded: readonly Change[]; readonly conflicts: number };

/** Each round ends with somebody's commit, so few are needed; more than this is a livelock, and the batch starts anew. */
const MAX_ROUNDS = 20;

/** Writes the groups of one table (distinct keys, in key order). Throws PostgreSQL's error when it refuses any row. */
export async function writeTable(db: Db, plan: Plan, groups: readonly Group[]): Promise<Written> {
  const superseded = groups.flatMap(({ others }) => others);
  let conflicts = await logCollapsed(db, plan, groups);
  const inserted: Change[] = [];
  let pending: readonly Change[] = groups.map(({ winner }) => winner);
  for (let round = 0; pending.length > 0; round++) {
    if (round === MAX_ROUNDS)
      throw new Error(`${plan.table.name}: ${pending.length} rows found no rest in ${MAX_ROUNDS} rounds`);
    // Deletes first: they may free the value of a unique key for a row of the same batch.
    const deleted = await joinInChunks(
      db,
      plan,
      pending.filter(({ kind }) => kind === 'tombstone'),
    );
    const clean = await writeClean(
      db,
      plan,
      pending.filter(({ kind }) => kind === 'row'),
    );
    const joined = await joinInChunks(db, plan, clean.refused);
    superseded.push(...deleted.superseded, ...joined.superseded);
    conflicts += deleted.conflicts + joined.conflicts;
    inserted.push(...clean.inserted);
    pending = [...deleted.again, ...joined.again];
  }
  superseded.push(...(await buryInserted(db, plan, inserted)));
  return { superseded, conflicts };
}

async function logCollapsed(db: Db, plan: Plan, groups: readonly Group[]): Promise<number> {
  const collapsed = groups.flatMap((group) => group.conflicts.map((conflict) => ofIncoming(conflict, plan.table)));
  let fresh = 0;
  for (const chunk of chunksOf(collapsed)) fresh += await logConflicts(db, plan.table.name, chunk);
  return fresh;
}

async function joinInChunks(db: Db, plan: Plan, changes: readonly Change[]): Promise<JoinedWrite> {
  const total: JoinedWrite = { superseded: [], conflicts: 0, again: [] };
  for (const chunk of chunksOf(changes)) {
    const { superseded, conflicts, again } = await writeJoined(db, plan, chunk);
    total.superseded.push(...superseded);
    total.conflicts += conflicts;
    total.again.push(...again);
  }
  return total;
}
