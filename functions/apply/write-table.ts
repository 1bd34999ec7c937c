import type { Db } from '@concord/runtime';
import { buryInserted } from './bury.ts';
import type { Change } from './change.ts';
import type { Group } from './collapse.ts';
import { logConflicts, ofIncoming } from './conflict-log.ts';
import type { Plan } from './plan.ts';
import { writeClean } from './write-clean.ts';
import { writeJoined } from './write-joined.ts';

/** Changes that were not applied because a newer version is there, and how many conflicts were logged for the first time. */
export type Written = { readonly superseded: readonly Change[]; readonly conflicts: number };

/** A first chunk small enough that the server starts early; at the greatest size a statement costs least per row. */
const FIRST_CHUNK = 250;
const MAX_CHUNK = 2000;

/** Each round ends with somebody's commit, so few are needed; more than this is a livelock, and the batch starts anew. */
const MAX_ROUNDS = 20;

/** Writes the groups of one table (distinct keys, in key order). Throws PostgreSQL's error when it refuses any row. */
export async function writeTable(db: Db, plan: Plan, groups: readonly Group[]): Promise<Written> {
  const superseded: Change[] = [];
  let conflicts = 0;
  let size = FIRST_CHUNK;
  for (let at = 0; at < groups.length; size = Math.min(MAX_CHUNK, size * 2)) {
    const chunk = groups.slice(at, at + size);
    at += chunk.length;
    const written = await writeChunk(db, plan, chunk);
    superseded.push(...written.superseded);
    conflicts += written.conflicts;
  }
  return { superseded, conflicts };
}

async function writeChunk(db: Db, plan: Plan, groups: readonly Group[]): Promise<Written> {
  const winners = groups.map(({ winner }) => winner);
  const superseded = groups.flatMap(({ others }) => others);
  const collapsed = groups.flatMap((group) => group.conflicts.map((conflict) => ofIncoming(conflict, plan.table)));
  let conflicts = await logConflicts(db, plan.table.name, collapsed);
  let pending: readonly Change[] = winners;
  for (let round = 0; pending.length > 0; round++) {
    if (round === MAX_ROUNDS)
      throw new Error(`${plan.table.name}: ${pending.length} rows found no rest in ${MAX_ROUNDS} rounds`);
    const rows = pending.filter(({ kind }) => kind === 'row');
    const clean = await writeClean(db, plan, rows);
    const refused = new Set(clean.refused);
    const joined = await writeJoined(
      db,
      plan,
      pending.filter((change) => change.kind === 'tombstone' || refused.has(change)),
    );
    const buried = clean.inserted
      ? await buryInserted(
          db,
          plan,
          rows.filter((change) => !refused.has(change)),
        )
      : [];
    superseded.push(...joined.superseded, ...buried);
    conflicts += joined.conflicts;
    pending = joined.again;
  }
  return { superseded, conflicts };
}
