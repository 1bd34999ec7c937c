import { applyBatch, emptyPlace, inStore, isFree, type Place, storedIn, writeLocally } from './place.ts';
import { type Indexes, type NewWrite, newWrite, textOf, type Values, type Write } from './write.ts';

/** Bounds of an exhaustive exploration of one table. */
export type Bounds = {
  readonly regions: number;
  readonly rows: number;
  readonly indexes: Indexes;
  /** Values per column, NULL aside. */
  readonly keys: number;
  readonly nulls: boolean;
  readonly writes: number;
  readonly deletes: boolean;
  /** Updates that change no key. */
  readonly touches: boolean;
};

export const REGIONS = ['A', 'B', 'C', 'D', 'E'] as const;
export const regionOf = (index: number): string => REGIONS[index] ?? '';

/** How a state was reached, newest step first. */
export type Path = { readonly step: string; readonly before: Path } | undefined;

export type State = { readonly writes: readonly Write[]; readonly places: readonly Place[]; readonly path: Path };

export const firstState = ({ regions, rows }: Bounds): State => ({
  writes: [],
  places: Array.from({ length: regions }, () => emptyPlace(rows)),
  path: undefined,
});

/** Equal writes are one object, so that states can be told apart by names. */
export type Intern = (write: Write) => Write;

const after = (state: State, region: number, place: Place, step: string, writes = state.writes): State => ({
  writes,
  places: state.places.with(region, place),
  path: { step: `${regionOf(region)} ${step}`, before: state.path },
});

/** Every state that one step can lead to: a region writes, is given one write or all that it lacks, or sweeps. */
export function* stepsFrom(state: State, bounds: Bounds, intern: Intern): Generator<State> {
  for (const [region, place] of state.places.entries()) {
    if (state.writes.length < bounds.writes)
      for (const write of writesAt(state, region, place, bounds)) {
        const known = intern(write);
        yield after(state, region, writeLocally(place, known), `writes ${textOf(known)}`, [...state.writes, known]);
      }
    yield* deliveriesTo(state, region, place);
  }
}

function* deliveriesTo(state: State, region: number, place: Place): Generator<State> {
  const missing = state.writes.filter((write) => !place.given.has(write));
  for (const write of missing) yield after(state, region, applyBatch(place, [write]), `is given ${textOf(write)}`);
  if (missing.length > 1) yield after(state, region, applyBatch(place, missing), 'is given all that it lacks');
  if (inStore(place.limbo).length > 0) yield after(state, region, applyBatch(place, []), 'sweeps');
}

/** All writes that a region can make now. Rows and values that were never used are alike, so only the next new one is tried. */
function* writesAt(state: State, region: number, place: Place, bounds: Bounds): Generator<Write> {
  const newRow = Math.max(-1, ...state.writes.map(({ row }) => row)) + 1;
  for (let row = 0; row <= Math.min(newRow, bounds.rows - 1); row++)
    for (const clock of clocksFor(state))
      for (const [kind, values] of changesOf(state, place, row, bounds)) {
        const parent = storedIn(place, row);
        const inserts = place.table[row] === undefined;
        const wanted: NewWrite = {
          row,
          region: regionOf(region),
          clock,
          kind,
          values,
          parent,
          inserts,
          indexes: bounds.indexes,
        };
        const write = newWrite(wanted);
        if (kind === 'tombstone' || isFree(place, write)) yield write;
      }
}

function* changesOf(
  state: State,
  place: Place,
  row: number,
  bounds: Bounds,
): Generator<[Write['version']['kind'], Values]> {
  const current = place.table[row];
  for (const values of valuesFor(state, bounds))
    if (bounds.touches || current === undefined || values.some((value, column) => value !== current.values[column]))
      yield ['row', values];
  if (bounds.deletes && current !== undefined) yield ['tombstone', current.values];
}

/** A clock that stands still (ties between regions and rows), and one ahead of all. */
const clocksFor = ({ writes }: State): Set<number> =>
  new Set([1, Math.max(0, ...writes.map(({ version }) => version.stamp)) + 1]);

function valuesFor({ writes }: State, { indexes, keys, nulls }: Bounds): Values[] {
  const columns = Math.max(...indexes.flat()) + 1;
  let all: Values[] = [[]];
  for (let column = 0; column < columns; column++) {
    const used = Math.max(-1, ...writes.map(({ values }) => values[column] ?? -1));
    const choices: (number | null)[] = Array.from({ length: Math.min(used + 2, keys) }, (_, value) => value);
    if (nulls) choices.push(null);
    all = all.flatMap((values) => choices.map((choice) => [...values, choice]));
  }
  return all;
}
