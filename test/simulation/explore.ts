import type { Change } from '../../functions/apply/change.ts';
import { idOf, type Write, winnerOf } from './history.ts';
import {
  type Bounds,
  copiesOf,
  firstState,
  type Past,
  type PastOf,
  type Path,
  type State,
  stepsFrom,
} from './model.ts';
import { REGION_NAMES } from './schedule.ts';
import { bury, stateOf } from './store.ts';
import { Violation } from './violation.ts';

export type Explored = {
  readonly states: number;
  /** States in which every region has been given every write. */
  readonly quiet: number;
  /** False when `maxStates` or a violation ended the exploration. */
  readonly complete: boolean;
  readonly violation:
    | { readonly invariant: string; readonly message: string; readonly path: readonly string[] }
    | undefined;
};

/** Breadth first, so that a violation is found by a shortest path. */
export function explore(bounds: Bounds, maxStates: number): Explored {
  const frontier = newFrontier(bounds);
  let [states, quiet] = [0, 0];
  let current: State | undefined;
  try {
    for (let level = [firstState(bounds)]; level.length > 0 && states < maxStates; level = frontier.advance())
      for (current of level) {
        states++;
        if (isQuiet(current)) {
          quiet++;
          checkQuiet(current);
        }
        frontier.expand(current);
      }
  } catch (error) {
    const invariant = error instanceof Violation ? error.invariant : 'throw';
    const message = error instanceof Violation ? error.message : String((error as Error).stack);
    return { states, quiet, complete: false, violation: { invariant, message, path: linesOf(current?.path) } };
  }
  return { states, quiet, complete: states < maxStates, violation: undefined };
}

/** States that were met and not yet left. */
function newFrontier(bounds: Bounds) {
  const pastOf = newPasts();
  const seen = new Set<string>();
  let next: State[] = [];
  return {
    expand(state: State): void {
      for (const after of stepsFrom(state, bounds, pastOf)) {
        const name = nameOf(after);
        if (seen.has(name)) continue;
        seen.add(name);
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

/** Equal histories share one object and number. */
function newPasts(): PastOf {
  const known = new Map<string, Past>();
  return (writes) => {
    const name = writes
      .map(({ version, ancestors }) => `${version.kind} ${version.stamp} ${version.region} ${ancestors}`)
      .join();
    const past = known.get(name) ?? { id: known.size + 1, writes, copies: writes.map(copiesOf) };
    known.set(name, past);
    return past;
  };
}

const number = (change: Change | undefined): number => (change === undefined ? 0 : idOf(change) + 1);

/** Two states with one name have the same future. */
function nameOf({ past, places, logged }: State): string {
  let name = `${past.id} ${logged}`;
  for (const { slot, given, open } of places) {
    name += ` ${number(slot.row)} ${number(slot.tombstone)} ${given}`;
    if (open !== undefined) name += `o${open.version.stamp} ${open.parent?.id}`;
  }
  return name;
}

const isQuiet = ({ past, places }: State): boolean => {
  const all = (1 << past.writes.length) - 1;
  return (
    all > 0 && places.every(({ given, open, slot }) => given === all && open === undefined && bury(slot).slot === slot)
  );
};

/** I1, I2, I7 and I6 (none missed) once everything has been delivered everywhere. */
function checkQuiet({ past, places, logged }: State): void {
  const winner = winnerOf(past.writes, 0) as Write;
  for (const [region, { slot }] of places.entries()) {
    const state = stateOf(slot);
    if (state === undefined || idOf(state) !== winner.id)
      throw new Violation('I2', `${REGION_NAMES[region]} ends without the maximum, v${winner.id}`);
    if (winner.version.kind === 'tombstone' && slot.row !== undefined)
      throw new Violation('I7', `${REGION_NAMES[region]} keeps a dead row`);
  }
  let { covers } = winner;
  for (const write of past.writes) if ((logged >> write.id) & 1) covers |= write.covers;
  const missed = past.writes.find(({ id }) => !((covers >> id) & 1));
  if (missed !== undefined) throw new Violation('I6', `v${missed.id} was lost and no region has logged it`);
}

function linesOf(path: Path): string[] {
  const lines: string[] = [];
  for (let at = path; at !== undefined; at = at.before) lines.push(at.step);
  return lines.reverse();
}
