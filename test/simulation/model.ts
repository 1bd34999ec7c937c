import type { Change } from '../../functions/apply/change.ts';
import { addWrite, changeOf, idOf, type Write } from './history.ts';
import { checkLabel, checkOverwritten, checkStep } from './invariants.ts';
import { REGION_NAMES } from './schedule.ts';
import { type Stamped, stamped, written } from './stamp.ts';
import { bury, EMPTY_SLOT, type Slot, stage, stateOf } from './store.ts';

/** Bounds of an exhaustive exploration of one key. */
export type Bounds = {
  readonly regions: number;
  readonly writes: number;
  readonly deletes: boolean;
  /** Batches of two records. */
  readonly batches: boolean;
  /** Inserts that are stamped, stay open while tombstones arrive, and commit later. */
  readonly openInserts: boolean;
};

/** All writes so far, each with two decoded copies, so that one batch can hold a duplicate. */
export type Past = {
  readonly id: number;
  readonly writes: readonly Write[];
  readonly copies: readonly (readonly [Change, Change])[];
};

/** How a state was reached, newest step first. */
export type Path = { readonly step: string; readonly before: Path } | undefined;

/** What one region holds, what it was given (a bit per write), and its insert that is still open. */
export type Place = { readonly slot: Slot; readonly given: number; readonly open?: Stamped };

/** A point of the exploration. `logged`: a bit per write that any region has logged as a loser. */
export type State = {
  readonly past: Past;
  readonly places: readonly Place[];
  readonly logged: number;
  readonly path: Path;
};

export type PastOf = (writes: readonly Write[]) => Past;

export const firstState = ({ regions }: Bounds): State => ({
  past: { id: 0, writes: [], copies: [] },
  places: Array.from({ length: regions }, () => ({ slot: EMPTY_SLOT, given: 0 })),
  logged: 0,
  path: undefined,
});

const nameOf = (region: number): string => REGION_NAMES[region] ?? '';

function after(state: State, region: number, place: Place, step: string, rest: Partial<State> = {}): State {
  const path = { step: `${nameOf(region)} ${step}`, before: state.path };
  return { ...state, places: state.places.with(region, place), path, ...rest };
}

/** Every state that one step can lead to: each region may write, or be given any one or two writes, known to it or not. */
export function* stepsFrom(state: State, bounds: Bounds, pastOf: PastOf): Generator<State> {
  for (const [region, place] of state.places.entries()) {
    if (place.open !== undefined) yield commit(state, region, { ...place, open: undefined }, place.open, pastOf);
    else if (state.past.writes.length < bounds.writes) yield* writesAt(state, region, place, bounds, pastOf);
    yield* deliveriesTo(state, region, place, bounds);
    yield* settled(state, region, place);
  }
}

function* writesAt(state: State, region: number, place: Place, bounds: Bounds, pastOf: PastOf): Generator<State> {
  const { slot } = place;
  const kinds = bounds.deletes && slot.row !== undefined ? (['row', 'tombstone'] as const) : (['row'] as const);
  for (const clock of clocksFor(state, slot)) {
    for (const kind of kinds)
      yield commit(state, region, place, stamped(state.past.writes, nameOf(region), slot, kind, clock), pastOf);
    if (!bounds.openInserts || slot.row !== undefined) continue;
    const open = stamped(state.past.writes, nameOf(region), slot, 'row', clock);
    yield after(state, region, { ...place, open }, `begins an insert stamped ${open.version.stamp}`);
  }
}

/** A clock that stands still, one that equals the newest stamp anywhere (a tie between regions) and one that is ahead of it. */
function clocksFor({ past }: State, slot: Slot): Set<number> {
  const newest = Math.max(0, ...past.writes.map(({ version }) => version.stamp));
  const own = (stateOf(slot)?.stamp ?? 0) + 1;
  return new Set([own, Math.max(own, newest), newest + 1]);
}

type Closed = Omit<Place, 'open'> & { readonly open?: Stamped | undefined };

function commit(
  state: State,
  region: number,
  { slot, given }: Closed,
  { version, ...ground }: Stamped,
  pastOf: PastOf,
): State {
  const writes = [...state.past.writes];
  const { id } = addWrite(writes, 0, version, ground);
  const past = pastOf(writes);
  const place = { slot: written(slot, past.copies[id]?.[0] as Change), given: given | (1 << id) };
  return after(
    state,
    region,
    place,
    `commits v${id}: ${version.kind} ${version.stamp} ${JSON.stringify(version.vector)}`,
    { past },
  );
}

/** Any write at any time, also again; and any two new ones, or one new one twice, as one batch. */
function* deliveriesTo(state: State, region: number, place: Place, { batches }: Bounds): Generator<State> {
  const isNew = (id: number): boolean => ((place.given >> id) & 1) === 0;
  for (const [a, [first, again]] of state.past.copies.entries()) {
    // A row waits for the open insert of its key.
    if (place.open !== undefined && first.kind === 'row') continue;
    yield delivered(state, region, place, [first]);
    if (!batches || !isNew(a)) continue;
    yield delivered(state, region, place, [first, again]);
    for (const [b, [other]] of state.past.copies.entries())
      if (a !== b && isNew(b) && (place.open === undefined || other.kind === 'tombstone'))
        yield delivered(state, region, place, [first, other]);
  }
}

function delivered(state: State, region: number, place: Place, changes: readonly Change[]): State {
  const { past } = state;
  const staged = stage(() => place.slot, changes);
  const slot = staged.slots.values().next().value ?? place.slot;
  checkStep(past.writes, nameOf(region), 'k0', place.slot, slot);
  let { logged } = state;
  for (const conflict of staged.conflicts) {
    checkLabel(past.writes, conflict);
    logged |= 1 << idOf(conflict.loser);
  }
  checkOverwritten(nameOf(region), (row) => ((logged >> idOf(row)) & 1) === 1, place.slot, slot);
  const given = changes.reduce((bits, change) => bits | (1 << idOf(change)), place.given);
  const step = `is given ${changes.map((change) => `v${idOf(change)}`).join(', ')}`;
  return after(state, region, { ...place, slot, given }, step, { logged });
}

/** The short transaction after a batch: a row under a newer tombstone goes. */
function* settled(state: State, region: number, place: Place): Generator<State> {
  const { slot, conflicts } = bury(place.slot);
  if (slot === place.slot) return;
  const logged = conflicts.reduce((bits, { loser }) => bits | (1 << idOf(loser)), state.logged);
  yield after(state, region, { ...place, slot }, 'settles', { logged });
}

export const copiesOf = (write: Write): readonly [Change, Change] => [changeOf(write), changeOf(write)];
