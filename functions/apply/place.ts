import { compare, visible } from '@concord/conflict';
import type { Db } from '@concord/runtime';
import { readBeneath } from './beneath.ts';
import type { Change } from './change.ts';
import { claimOf, type RowClaim, readClaims, readRivals } from './claims.ts';
import { byKey, type Group, groupOf } from './collapse.ts';
import { incomingImage, type LoggedConflict, logConflicts } from './conflict-log.ts';
import { countPromoted, type Held, putIntoLimbo, readLimbo, takeFromLimbo } from './limbo.ts';
import { asLogged, mergeChanges } from './merge-changes.ts';
import { Overtaken } from './overtaken.ts';
import type { Plan } from './plan.ts';
import { sameRows } from './same-rows.ts';
import { changeOfKey, readStates } from './states.ts';
import { burialOf, type JoinedState, joinState, raiseFloor } from './write-lattice.ts';
import { deleteRows, insert, replaceRows, writeTombstones } from './write-states.ts';
import type { Written } from './write-table.ts';

export type Placed = Written & { readonly held: readonly Change[] };

/** One row that has to find its place: where its version was, and what stands now. */
type Seat = JoinedState & {
  /** The version that was held. */
  readonly limbo: Change | undefined;
  /** What arrived; absent for rows that are only held. */
  readonly arrival: Change | undefined;
};

/**
 * Writes rows of a table with secondary unique keys where two rows may want one value: joins each row wherever its version lives
 * (table, limbo, tombstone), decides anew which rows are visible, and moves rows out of the table before others move in. Nothing is
 * deleted: a row that is not visible is held in `concord.limbo` until its values are free.
 *
 * Only connected rows matter: those that arrive, all that are held, and the visible ones that hold a value which one of these has.
 * Visible rows never share a value, so whoever is outside keeps its place (`test/simulation/unique`).
 *
 * Without groups it is a sweep: local transactions may have freed values. Limbo is read without locks, and nobody waits for anybody
 * else's placing: whatever is moved must still be what was read, and what others decided meanwhile the next sweep puts right. Throws
 * `Overtaken`, or PostgreSQL's error.
 */
export async function placeTable(db: Db, plan: Plan, arriving: readonly Group[]): Promise<Placed> {
  const limbo = await readLimbo(db, plan);
  const identityOf = await identify(db, plan, [...arriving.map(({ winner }) => winner), ...limbo]);
  const groups = regrouped(arriving, identityOf);
  const seats = await readSeats(db, plan, groups, limbo, identityOf);
  const joins = [...groups.flatMap(({ conflicts }) => conflicts), ...seats.flatMap(({ conflicts }) => conflicts)];
  const dead = seats.filter(({ state }) => state.kind === 'tombstone');
  if ((await writeTombstones(db, plan, dead.map(burialOf))).length > 0) throw new Overtaken();
  const { held, lines } = await seatRows(db, plan, seats);
  await raiseFloor(db, seats);
  const logged = [...joins.map((loss) => asLogged(loss, plan.table)), ...lines];
  const conflicts = await logConflicts(db, plan.table.name, logged);
  const arrived = seats.flatMap(({ arrival, applied, state }) => (arrival ? [{ arrival, applied, state }] : []));
  return {
    superseded: [
      ...groups.flatMap(({ others }) => others),
      ...arrived.filter(({ applied }) => !applied).map(({ arrival }) => arrival),
    ],
    held: arrived.filter(({ applied, state }) => applied && held.has(state)).map(({ arrival }) => arrival),
    conflicts,
  };
}

type Identity = string | number;

/** Changes of one row have one identity, also where equal keys print differently. */
async function identify(db: Db, plan: Plan, changes: readonly Change[]): Promise<(change: Change) => Identity> {
  const same = changes.length === 0 ? undefined : await sameRows(db, plan, changes);
  return (change) => same?.get(change) ?? change.key;
}

/** One group per row, also where the groups were told apart by the texts of their keys. */
function regrouped(groups: readonly Group[], identityOf: (change: Change) => Identity): Group[] {
  const rows = Map.groupBy(groups, ({ winner }) => identityOf(winner)).values();
  return [...rows].map(([first, ...others]): Group => {
    const one = first as Group;
    if (others.length === 0) return one;
    const joined = groupOf([one.winner, ...others.map(({ winner }) => winner)]);
    return {
      ...joined,
      others: [...joined.others, ...[one, ...others].flatMap((group) => group.others)],
      conflicts: [...joined.conflicts, ...[one, ...others].flatMap((group) => group.conflicts)],
    };
  });
}

/** Every row that arrives or is held, joined with all that is known of it. */
async function readSeats(
  db: Db,
  plan: Plan,
  groups: readonly Group[],
  limbo: readonly Change[],
  identityOf: (change: Change) => Identity,
): Promise<Seat[]> {
  const arrivals = groups.map(({ winner }) => winner);
  const heldBy = new Map(limbo.map((held) => [identityOf(held), held]));
  const arriving = new Set(arrivals.map(identityOf));
  const waiting = limbo.filter((held) => !arriving.has(identityOf(held)));
  const asked = [...arrivals, ...waiting].sort(byKey);
  const stored = await readStates(db, plan, asked);
  return asked.map((change): Seat => {
    const held = heldBy.get(identityOf(change));
    const found = stored.get(change) ?? {};
    if (held === change) return { ...joinState(found, held), limbo: held, arrival: undefined };
    if (held === undefined) return { ...joinState(found, change), limbo: undefined, arrival: change };
    const before = joinState(found, held);
    const { change: state, applied, conflicts } = mergeChanges(before.state, change);
    return {
      ...{ ...before, incoming: change, state, applied, limbo: held, arrival: change },
      conflicts: [...before.conflicts, ...conflicts],
    };
  });
}

type Seated = { readonly held: ReadonlySet<Change>; readonly lines: readonly LoggedConflict[] };

async function seatRows(db: Db, plan: Plan, seats: readonly Seat[]): Promise<Seated> {
  const rows = seats.filter(({ state }) => state.kind === 'row');
  const states = rows.map(({ state }) => state);
  const rivals = new Set(await readRivalRows(db, plan, states));
  const claims = await readClaims(db, plan, [...states, ...rivals]);
  const shown = visible(claims);
  const isShown = new Set([...shown].map(({ change }) => change));
  const heldClaims = claims.filter((claim) => !shown.has(claim));
  const displaced = heldClaims.filter(({ change }) => rivals.has(change)).map(({ change }) => change);
  const moving = rows.filter((seat) => mustMove(seat, isShown));

  await deleteRows(db, plan, [...displaced, ...moving.flatMap(({ stored }) => stored.row ?? [])]);
  await takeFromLimbo(
    db,
    plan,
    seats.flatMap((seat) => (seat.limbo && !staysHeld(seat, isShown) ? [seat.limbo] : [])),
  );
  await showRows(
    db,
    plan,
    rows.filter(({ state }) => isShown.has(state)),
    new Set(moving),
  );
  const changed = rows.filter((seat) => !staysHeld(seat, isShown)).map(({ state }) => state);
  const news = new Set([...changed, ...displaced]);
  const holders = holdersOf(shown);
  const held = heldClaims
    .filter(({ change }) => news.has(change))
    .map(({ change, holds }) => ({ change, holder: holds.map((value) => holders.get(value)).find(Boolean) }));
  await putIntoLimbo(db, plan, held);
  await countPromoted(
    db,
    rows.flatMap(({ limbo, arrival, state }) => (limbo && !arrival && isShown.has(state) ? [limbo] : [])),
  );
  return { held: new Set(heldClaims.map(({ change }) => change)), lines: held.map((row) => lineOf(plan, row)) };
}

/** Nothing changes for a row that was held, is held, and got no new version. */
const staysHeld = ({ limbo, state }: Seat, isShown: ReadonlySet<Change>): boolean =>
  limbo !== undefined && isSameVersion(limbo, state) && state.kind === 'row' && !isShown.has(state);

const isSameVersion = (a: Change, b: Change): boolean => a === b || a.event._version_vector === b.event._version_vector;

/** A row that goes, or that gets other unique values, leaves the table first: two may swap theirs. */
function mustMove({ stored: { row }, state }: Seat, isShown: ReadonlySet<Change>): boolean {
  if (row === undefined || row === state) return row !== undefined && !isShown.has(state);
  return !isShown.has(state) || compare(claimOf(row), claimOf(state)) !== 0;
}

async function showRows(db: Db, plan: Plan, shown: readonly Seat[], moved: ReadonlySet<Seat>): Promise<void> {
  const inPlace = shown.flatMap((seat) =>
    seat.stored.row === undefined || moved.has(seat) || seat.stored.row === seat.state
      ? []
      : [{ change: seat.state, over: seat.stored.row }],
  );
  const fresh = shown.filter((seat) => seat.stored.row === undefined || moved.has(seat)).map(({ state }) => state);
  const failed = [...(await replaceRows(db, plan, inPlace)), ...(await insert(db, plan, 'row', fresh))];
  const beneath = await readBeneath(db, plan, fresh);
  if (failed.length > 0 || beneath.length > 0) throw new Overtaken();
}

/** The visible rows that hold what one of these wants, locked; without those that are among these. */
async function readRivalRows(db: Db, plan: Plan, states: readonly Change[]): Promise<Change[]> {
  const keys = await readRivals(db, plan, states);
  const asked = keys
    .map((key) =>
      changeOfKey(
        plan,
        plan.keyNames.map((name) => key[name]),
      ),
    )
    .sort(byKey);
  const identityOf = await identify(db, plan, [...states, ...asked]);
  const known = new Set(states.map(identityOf));
  const others = asked.filter((change) => !known.has(identityOf(change)));
  const found = await readStates(db, plan, others);
  return others.flatMap((change) => found.get(change)?.row ?? []);
}

/** Who has a value. */
const holdersOf = (shown: ReadonlySet<RowClaim>): ReadonlyMap<string, Change> =>
  new Map([...shown].flatMap(({ change, holds }) => holds.map((value) => [value, change] as const)));

function lineOf(plan: Plan, { change, holder = change }: Held): LoggedConflict {
  return {
    ...{ kind: 'multiple_unique_conflicts', part: 'unique', loser: change, winner: holder },
    ...incomingImage(change, plan.table),
    winnerImage: incomingImage(holder, plan.table).image,
  };
}
