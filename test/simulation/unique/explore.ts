import { Violation } from '../violation.ts';
import { checkChoice, checkPlace, checkQuiet } from './invariants.ts';
import { type Bounds, firstState, type Path, REGIONS, regionOf, type State, stepsFrom } from './model.ts';
import { applyBatch, inStore, type Place } from './place.ts';
import type { Write } from './write.ts';

export type Explored = {
  readonly states: number;
  /** States in which every region has been given every write. */
  readonly quiet: number;
  /** Quiet states in which some row is held. */
  readonly holding: number;
  /** False when `maxStates` or a violation ended the exploration. */
  readonly complete: boolean;
  readonly violation:
    | { readonly invariant: string; readonly message: string; readonly path: readonly string[] }
    | undefined;
};

/** Breadth first, so that a violation is found by a shortest path. */
export function explore(bounds: Bounds, maxStates: number): Explored {
  const frontier = newFrontier(bounds);
  let [states, quiet, holding] = [0, 0, 0];
  let current: State | undefined;
  try {
    for (let level = [firstState(bounds)]; level.length > 0 && states < maxStates; level = frontier.advance())
      for (current of level) {
        states++;
        if (isQuiet(current)) {
          quiet++;
          if (checkEnd(current)) holding++;
        }
        frontier.expand(current);
      }
  } catch (error) {
    const invariant = error instanceof Violation ? error.invariant : 'throw';
    const message = error instanceof Violation ? error.message : String((error as Error).stack);
    return { states, quiet, holding, complete: false, violation: { invariant, message, path: linesOf(current?.path) } };
  }
  return { states, quiet, holding, complete: states < maxStates, violation: undefined };
}

/** States that were met and not yet left. */
function newFrontier(bounds: Bounds) {
  const { intern, nameOf } = newNames();
  const seen = new Set<string>();
  let next: State[] = [];
  return {
    expand(state: State): void {
      for (const after of stepsFrom(state, bounds, intern)) {
        const name = nameOf(after);
        if (seen.has(name)) continue;
        seen.add(name);
        checkStep(after, state);
        next.push(after);
      }
    },
    advance(): State[] {
      const level = next;
      next = [];
      return level;
    },
  };
}

const isQuiet = ({ writes, places }: State): boolean =>
  writes.length > 0 && places.every(({ given }) => given.size === writes.length);

/** Does the end that a state has once all have swept hold rows? */
function checkEnd({ writes, places }: State): boolean {
  const swept = places.map((place) => applyBatch(place, []));
  checkQuiet(REGIONS, swept, writes);
  return swept.some(({ limbo }) => inStore(limbo).length > 0);
}

/** What the last step changed, and that doing it again changes nothing. */
function checkStep({ places, path, writes }: State, before: State): void {
  for (const [region, place] of places.entries()) {
    if (place === before.places[region]) continue;
    checkPlace(regionOf(region), place);
    if (writes.length > before.writes.length) continue;
    checkChoice(regionOf(region), place);
    const again = applyBatch(place, [...place.given]);
    if (storesOf(again) !== storesOf(place))
      throw new Violation('I4', `${path?.step}, and once more, which changes what ${regionOf(region)} holds`);
  }
}

const storesOf = ({ table, limbo, buried }: Place): string =>
  [table, limbo, buried].map((store) => store.map((write) => write?.name ?? '')).join('|');

/** Equal writes are one object and have one number; two states with one name have the same future. */
function newNames() {
  const known = new Map<string, Write>();
  const ids = new Map<Write, number>();
  const idsOf = (writes: Iterable<Write>): number[] =>
    [...writes].map((write) => ids.get(write) ?? -1).toSorted((a, b) => a - b);
  const storeIds = (store: Place['table']): string =>
    store.map((write) => (write === undefined ? '' : ids.get(write))).join();
  const placeName = ({ table, limbo, buried, given }: Place): string =>
    `${[table, limbo, buried].map(storeIds).join('|')}/${idsOf(given)}`;
  return {
    intern(write: Write): Write {
      const first = known.get(write.name) ?? write;
      if (first === write) {
        known.set(write.name, write);
        ids.set(write, ids.size);
      }
      return first;
    },
    nameOf: ({ writes, places }: State): string => [idsOf(writes), ...places.map(placeName)].join(' '),
  };
}

function linesOf(path: Path): string[] {
  const lines: string[] = [];
  for (let at = path; at !== undefined; at = at.before) lines.push(at.step);
  return lines.reverse();
}
