import { compareLives, type Stamp, seen } from '@concord/conflict';
import { arrayLiteral, type Db, send, type Table } from '@concord/runtime';
import { readBeneath } from './beneath.ts';
import type { Change } from './change.ts';
import { logConflicts } from './conflict-log.ts';
import { keyOf } from './decode.ts';
import { asLogged, type Loss, mergeChanges } from './merge-changes.ts';
import type { Plan } from './plan.ts';
import { readStates, type States } from './states.ts';
import type { JoinedWrite } from './write-joined.ts';
import { type Burial, insert, replaceRows, writeTombstones } from './write-states.ts';

/** What becomes of the state of one key when a change joins it. */
export type JoinedState = {
  readonly incoming: Change;
  readonly stored: States;
  /** The stored versions that have been the state so far; a tombstone beneath a newer life is not. */
  readonly before: readonly Change[];
  /** What stands then: a row or a tombstone. */
  readonly state: Change;
  /** Did the incoming version leave a trace in it? */
  readonly applied: boolean;
  readonly conflicts: readonly Loss[];
};

/** Joins a change with what is stored. A row beneath the tombstone (an insert that had not seen it) is joined with it first. */
export function joinState(stored: States, incoming: Change): JoinedState {
  const { row, tombstone } = stored;
  const isBeneath = row !== undefined && tombstone !== undefined && compareLives(tombstone, row) > 0;
  const settled = isBeneath ? mergeChanges(tombstone, row) : undefined;
  const current = settled?.change ?? row ?? tombstone;
  if (current === undefined) return { incoming, stored, before: [], state: incoming, applied: true, conflicts: [] };
  const before = isBeneath ? [row, tombstone] : [current];
  const { change: state, applied, conflicts } = mergeChanges(current, incoming);
  return { incoming, stored, before, state, applied, conflicts: [...(settled?.conflicts ?? []), ...conflicts] };
}

/**
 * The join for distinct keys of a lattice table: lock and read all that is stored, merge, log, and put the joined versions in the place
 * of those that were read. `again`: a concurrent transaction came first.
 */
export async function writeLattice(db: Db, plan: Plan, changes: readonly Change[]): Promise<JoinedWrite> {
  if (changes.length === 0) return { superseded: [], conflicts: 0, again: [] };
  const stored = await readStates(db, plan, changes);
  const joined = changes.map((change) => withPrintedKey(joinState(stored.get(change) ?? {}, change), plan.table));
  const losses = joined.flatMap((each) => each.conflicts.map((loss) => asLogged(loss, plan.table)));
  const conflicts = await logConflicts(db, plan.table.name, losses);
  const again = new Set([...(await writeDead(db, plan, joined)), ...(await writeLive(db, plan, joined))]);
  await raiseFloor(db, joined);
  const superseded = joined.filter(({ applied, incoming }) => !applied && !again.has(incoming));
  return { superseded: superseded.map(({ incoming }) => incoming), conflicts, again: [...again] };
}

/** A version that nobody wrote may print its key as either of two did that are equal (1.5 and 1.50). */
function withPrintedKey(joined: JoinedState, table: Table): JoinedState {
  const { state, stored, incoming } = joined;
  if (state === incoming || state === stored.row || state === stored.tombstone) return joined;
  return { ...joined, state: { ...state, key: keyOf(state.event, table) ?? state.key } };
}

/** The incoming changes of which others came first. */
const incomingOf = (joined: readonly JoinedState[], failed: readonly Change[]): Change[] => {
  const states = new Set(failed);
  return states.size === 0 ? [] : joined.filter(({ state }) => states.has(state)).map(({ incoming }) => incoming);
};

export const burialOf = ({ stored, state }: JoinedState): Burial => ({ ...stored, change: state });

async function writeDead(db: Db, plan: Plan, all: readonly JoinedState[]): Promise<Change[]> {
  const dead = all.filter(({ state }) => state.kind === 'tombstone');
  return incomingOf(dead, await writeTombstones(db, plan, dead.map(burialOf)));
}

async function writeLive(db: Db, plan: Plan, all: readonly JoinedState[]): Promise<Change[]> {
  const changed = all.filter(({ state, stored }) => state.kind === 'row' && state !== stored.row);
  const replacements = changed.flatMap(({ state, stored: { row } }) => (row ? [{ change: state, over: row }] : []));
  const inserts = changed.filter(({ stored }) => stored.row === undefined).map(({ state }) => state);
  const replaced = await replaceRows(db, plan, replacements);
  const taken = new Set(await insert(db, plan, 'row', inserts));
  const beneath = await readBeneath(
    db,
    plan,
    inserts.filter((row) => !taken.has(row)),
  );
  return incomingOf(changed, [...replaced, ...taken, ...beneath]);
}

/**
 * A life of which this region had written something gave way to one that has not seen it: the key's next local write is above what
 * it replaces, but it must be above all that this region ever wrote as well, or its stamps went back.
 */
export async function raiseFloor(db: Db, joined: readonly JoinedState[]): Promise<void> {
  const overruled = joined.flatMap(({ before, state }) => before.flatMap((version) => lostEntries(version, state)));
  if (overruled.length === 0) return;
  await send(
    db,
    `update concord.region r set floor = l.floor from (
       select timestamptz 'epoch' + (max(o.stamp) + 1) * interval '1 microsecond' as floor
       from (select unnest($1::text[]) as region, unnest($2::int8[]) as stamp) o join concord.region h on h.source_region = o.region) l
     where l.floor > r.floor`,
    [arrayLiteral(overruled.map(([region]) => region)), arrayLiteral(overruled.map(([, stamp]) => String(stamp)))],
  );
}

const lostEntries = (before: Change, after: Change): [region: string, stamp: Stamp][] =>
  Object.entries(before.vector).filter(([region, stamp]) => seen(after.vector, region) < stamp);
