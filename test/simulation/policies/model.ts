import { Violation } from '../violation.ts';
import type { Held, History, Item, Op, Write } from './history.ts';
import type { Joins } from './joins.ts';
import { writeOf } from './local.ts';
import { type Logged, withItems } from './losses.ts';
import type { Rule } from './rules.ts';
import { apply, EMPTY_SLOT, type Slot, stateOf } from './slot.ts';

/** Bounds of an exhaustive exploration of one key. */
export type Bounds = {
  readonly regions: number;
  readonly writes: number;
  readonly rule: Rule;
  readonly ops: readonly Op[];
  /** Batches of two records. */
  readonly batches: boolean;
  /** By region, added to every clock. */
  readonly bonus?: readonly number[];
};

/** All writes so far, with the joins of what they made. */
export type Past = { readonly id: number; readonly writes: History; readonly joins: Joins };

/** How a state was reached, newest step first. */
export type Path = { readonly step: string; readonly before: Path } | undefined;

/** What one region holds, and what it was given (a bit per write). */
export type Place = { readonly slot: Slot; readonly given: number };

export type State = {
  readonly past: Past;
  readonly places: readonly Place[];
  readonly logged: Logged;
  readonly path: Path;
};

export type PastOf = (writes: History) => Past;

/** The order of the indices is not the byte order of the names. */
export const REGIONS = ['west', 'east', 'south'] as const;

export const nameOf = (region: number): string => REGIONS[region] ?? '';

export const firstState = ({ regions }: Bounds, pastOf: PastOf): State => ({
  past: pastOf([]),
  places: Array.from({ length: regions }, () => ({ slot: EMPTY_SLOT, given: 0 })),
  logged: [],
  path: undefined,
});

export function after(state: State, region: number, place: Place, step: string, rest: Partial<State> = {}): State {
  const path = { step: `${nameOf(region)} ${step}`, before: state.path };
  return { ...state, places: state.places.with(region, place), path, ...rest };
}

/** Every state that one step can lead to: each region may write, or be given any one or two writes, known to it or not. */
export function* stepsFrom(state: State, bounds: Bounds, pastOf: PastOf): Generator<State> {
  for (const [region, place] of state.places.entries()) {
    if (state.past.writes.length < bounds.writes) yield* writesAt(state, region, place, bounds, pastOf);
    yield* deliveriesTo(state, region, place, bounds);
  }
}

function* writesAt(state: State, region: number, place: Place, bounds: Bounds, pastOf: PastOf): Generator<State> {
  const { writes } = state.past;
  const newest = Math.max(1, ...writes.map(({ stamp }) => stamp));
  // A clock that stands still, one that equals the newest stamp anywhere (a tie between regions) and one that is ahead of it.
  const clocks = [1, newest, newest + 1].map((clock) => clock + (bounds.bonus?.[region] ?? 0));
  for (const op of bounds.ops) {
    if ((op === 'insert') !== (place.slot.row === undefined)) continue;
    const stamps = new Set<number>();
    for (const clock of clocks) {
      const write = writeOf(writes, place.slot, op, { region: nameOf(region), rule: bounds.rule, clock });
      if (!stamps.has(write.stamp)) yield committed(state, region, place, write, pastOf);
      stamps.add(write.stamp);
    }
  }
}

export function committed(state: State, region: number, place: Place, write: Write, pastOf: PastOf): State {
  const past = pastOf([...state.past.writes, write]);
  const held = (past.writes.at(-1) as Write).held;
  const { tombstone, floor } = place.slot;
  const slot = write.op === 'delete' ? { tombstone: held, floor } : { row: held, tombstone, floor };
  const step = `commits v${write.id}: ${write.op} at ${write.stamp}: ${held.name}`;
  return after(state, region, { ...place, slot, given: place.given | (1 << write.id) }, step, { past });
}

/** Any write at any time, also again; and any two new ones, or one new one twice, as one batch. */
function* deliveriesTo(state: State, region: number, place: Place, { batches }: Bounds): Generator<State> {
  const isNew = ({ id }: Write): boolean => ((place.given >> id) & 1) === 0;
  for (const first of state.past.writes) {
    yield* delivered(state, region, place, [first]);
    if (!batches || !isNew(first)) continue;
    yield* delivered(state, region, place, [first, first]);
    for (const other of state.past.writes)
      if (first.id < other.id && isNew(other)) yield* delivered(state, region, place, [first, other]);
  }
}

/** A batch is joined by itself first, then with what is there. I4: what was given before changes nothing. */
function* delivered(state: State, region: number, place: Place, batch: readonly Write[]): Generator<State> {
  const { joins } = state.past;
  const items: Item[] = [];
  let incoming: Held | undefined;
  for (const { held } of batch) {
    if (incoming === undefined) incoming = held;
    else {
      const joined = joins.join(incoming, held);
      items.push(...joined.lost);
      incoming = joined.held;
    }
  }
  const { slot, lost } = apply(place.slot, incoming as Held, nameOf(region), joins);
  const given = batch.reduce((bits, { id }) => bits | (1 << id), place.given);
  if (given === place.given && stateOf(slot) !== stateOf(place.slot))
    throw new Violation('I4', `a duplicate changes ${stateOf(place.slot)?.name} to ${stateOf(slot)?.name}`);
  const logged = withItems(state.logged, [...items, ...lost]);
  if (given === place.given && slot === place.slot && logged === state.logged) return;
  const step = `is given ${batch.map(({ id }) => `v${id}`).join(', ')}: ${stateOf(slot)?.name}`;
  yield after(state, region, { ...place, slot, given }, step, { logged });
}
