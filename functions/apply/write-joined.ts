import { compare, type Decision, decide } from '@concord/conflict';
import { type Db, send, unnestColumns } from '@concord/runtime';
import { buryRowsOf } from './bury.ts';
import type { Change } from './change.ts';
import { areLong } from './kept-values.ts';
import { logMet, type Met } from './log-met.ts';
import { assignments, columnArrays, isNewer, keyColumns, matchKey, type Plan } from './plan.ts';
import { readStored, type Stored, stateOf } from './stored.ts';
import { noteUnsettled } from './unsettled.ts';
import { insert } from './write-states.ts';

type Decided = { readonly change: Change; readonly decision: Decision; readonly stored: Stored };

/** Changes by what happened to them. `again`: a concurrent transaction came first; read and decide once more. */
export type JoinedWrite = { readonly superseded: Change[]; conflicts: number; readonly again: Change[] };

/**
 * The full join for distinct keys: lock and read what is stored, decide, log, write. Everything that exists is locked, so
 * an update cannot miss; what did not exist is inserted with `on conflict do nothing` and comes back as `again` when another
 * transaction was faster.
 */
export async function writeJoined(db: Db, plan: Plan, changes: readonly Change[]): Promise<JoinedWrite> {
  if (changes.length === 0) return { superseded: [], conflicts: 0, again: [] };
  const stored = await readState(db, plan, changes);
  const decided = changes.map((change): Decided => {
    const found = stored.get(change) ?? {};
    return { change, stored: found, decision: decide(stateOf(found), change) };
  });
  const winners = decided.filter(({ decision }) => decision.outcome === 'apply');
  // Sent together and carried out in this order: the log reads what the writes go over.
  const [conflicts, ...again] = await settled([
    logMet(db, plan, decided.flatMap(metOf)),
    writeRows(db, plan, winners),
    writeTombstones(db, plan, winners),
  ]);
  const superseded = decided.filter(({ decision }) => decision.outcome === 'superseded').map(({ change }) => change);
  return { superseded, conflicts, again: again.flat() };
}

/**
 * What is stored, after rows beneath a newer tombstone (a local insert that had not seen it, not settled yet) were buried and
 * logged: deciding against the tombstone alone would overwrite such a row and forget it.
 */
async function readState(db: Db, plan: Plan, changes: readonly Change[]): Promise<ReadonlyMap<Change, Stored>> {
  const stored = await readStored(db, plan, changes);
  const beneath = changes.filter((change) => isBeneath(stored.get(change) ?? {}));
  const buried = new Set(await buryRowsOf(db, plan, beneath));
  return new Map([...stored].map(([change, found]) => [change, buried.has(change) ? withoutRow(found) : found]));
}

const isBeneath = ({ row, tombstone }: Stored): boolean =>
  row !== undefined && tombstone !== undefined && compare(tombstone, row) > 0;

const withoutRow = ({ tombstone }: Stored): Stored => (tombstone === undefined ? {} : { tombstone });

const metOf = ({ change, decision, stored }: Decided): Met[] => {
  const state = stateOf(stored)?.kind;
  if (decision.because !== 'conflict' || state === undefined) return [];
  return [{ change, kind: decision.kind, loser: decision.loser, state }];
};

/** All that is under way has ended when this does, also where something failed: nothing is sent after the transaction. */
async function settled<T extends readonly unknown[]>(all: readonly [...{ [K in keyof T]: Promise<T[K]> }]): Promise<T> {
  await Promise.allSettled(all);
  return Promise.all(all) as unknown as Promise<T>;
}

/** Rows that win: over a stored row an update, over a tombstone an insert; over nothing the clean path tries again. */
async function writeRows(db: Db, plan: Plan, winners: readonly Decided[]): Promise<Change[]> {
  const rows = winners.filter(({ change }) => change.kind === 'row');
  const over = (found: (stored: Stored) => boolean): Change[] =>
    rows.filter(({ stored }) => found(stored)).map(({ change }) => change);
  const known = over((stored) => stored.row !== undefined);
  const inserts = over((stored) => stored.row === undefined && stored.tombstone !== undefined);
  const absent = over((stored) => stored.row === undefined && stored.tombstone === undefined);
  const [, taken] = await settled([
    update(db, plan, plan.rows, plan.rowColumns, known),
    insert(db, plan, 'row', inserts),
  ]);
  return [...absent, ...taken];
}

/** Tombstones that win: written, the older row deleted; a key without a row is unsettled (a local insert may be in flight). */
async function writeTombstones(db: Db, plan: Plan, winners: readonly Decided[]): Promise<Change[]> {
  const tombstones = winners.filter(({ change }) => change.kind === 'tombstone');
  const known = tombstones.filter(({ stored }) => stored.tombstone !== undefined).map(({ change }) => change);
  const fresh = tombstones.filter(({ stored }) => stored.tombstone === undefined).map(({ change }) => change);
  const [, taken] = await settled([
    update(db, plan, plan.tombstones, plan.tombstoneColumns, known),
    insert(db, plan, 'tombstone', fresh),
  ]);
  const again = new Set(taken);
  const written = tombstones.filter(({ change }) => !again.has(change));
  const [over, alone] = [
    written.filter(({ stored }) => stored.row !== undefined).map(({ change }) => change),
    written.filter(({ stored }) => stored.row === undefined).map(({ change }) => change),
  ];
  await settled([deleteRows(db, plan, over), noteUnsettled(db, plan, alone)]);
  return taken;
}

type Columns = Plan['rowColumns'];

async function update(
  db: Db,
  plan: Plan,
  relation: string,
  columns: Columns,
  changes: readonly Change[],
): Promise<void> {
  if (changes.length === 0) return;
  const result = await send(
    db,
    `update ${relation} t set ${assignments(plan, columns, 'i', areLong(changes))} from (${unnestColumns(columns)}) i
     where ${matchKey(plan, 't', 'i')} and ${isNewer('i', 't')}`,
    columnArrays(columns, changes),
  );
  if (result.count !== changes.length)
    throw new Error(`${plan.table.name}: a locked version was not older than its winner`);
}

async function deleteRows(db: Db, plan: Plan, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return;
  await send(
    db,
    `delete from ${plan.rows} t using (${unnestColumns(keyColumns(plan))}) k, ${plan.tombstones} b
     where ${matchKey(plan, 't', 'k')} and ${matchKey(plan, 'b', 'k')} and ${isNewer('b', 't')}`,
    columnArrays(keyColumns(plan), changes),
  );
}
