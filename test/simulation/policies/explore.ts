import type { Explored } from '../explore.ts';
import { Violation } from '../violation.ts';
import type { Held, History } from './history.ts';
import { newJoins } from './joins.ts';
import { checkCoverage } from './losses.ts';
import { type Bounds, firstState, nameOf, type Past, type PastOf, type Path, type State, stepsFrom } from './model.ts';
import { stateOf } from './slot.ts';

/** Breadth first, so that a violation is found by a shortest path. */
export function explore(bounds: Bounds, maxStates: number): Explored {
  const pastOf = newPasts();
  const seen = new Set<string>();
  let [states, quiet] = [0, 0];
  let current: State | undefined;
  try {
    for (let level = [firstState(bounds, pastOf)]; level.length > 0 && states < maxStates; ) {
      const next: State[] = [];
      for (current of level) {
        states++;
        if (isQuiet(current)) {
          quiet++;
          checkQuiet(current);
        }
        for (const after of stepsFrom(current, bounds, pastOf)) {
          const name = keyOf(after);
          if (seen.has(name)) continue;
          seen.add(name);
          next.push(after);
        }
      }
      level = next;
    }
  } catch (error) {
    const invariant = error instanceof Violation ? error.invariant : 'throw';
    const message = error instanceof Violation ? error.message : String((error as Error).stack);
    return { states, quiet, complete: false, violation: { invariant, message, path: linesOf(current?.path) } };
  }
  return { states, quiet, complete: states < maxStates, violation: undefined };
}

const ids = new WeakMap<Held, number>();
let lastId = 0;

function idOf(held: Held | undefined): number {
  if (held === undefined) return 0;
  const id = ids.get(held) ?? ++lastId;
  ids.set(held, id);
  return id;
}

/** Equal states are one object; equal histories share one object and the joins made in it. */
function newPasts(): PastOf {
  const states = new Map<string, Held>();
  const pasts = new Map<string, Past>();
  const keep = (held: Held): Held => {
    const known = states.get(held.name) ?? held;
    states.set(held.name, known);
    return known;
  };
  return (writes) => {
    const name = writes.map(({ op, region, held }) => `${op} ${region} ${held.name}`).join('|');
    const known = pasts.get(name);
    if (known !== undefined) return known;
    const kept: History = writes.map((write) => ({ ...write, held: keep(write.held) }));
    const past = { id: pasts.size, writes: kept, joins: newJoins(kept, keep) };
    pasts.set(name, past);
    return past;
  };
}

/** Two states with one key have the same future. */
function keyOf({ past, places, logged }: State): string {
  let name = `${past.id} ${logged}`;
  for (const { slot, given } of places) name += ` ${idOf(slot.row)} ${idOf(slot.tombstone)} ${slot.floor} ${given}`;
  return name;
}

const isQuiet = ({ past, places }: State): boolean => {
  const all = (1 << past.writes.length) - 1;
  return all > 0 && places.every(({ given }) => given === all);
};

/** I1, I2, I6, I7 and I11 once everything has been delivered everywhere. */
function checkQuiet({ past, places, logged }: State): void {
  const { writes, joins } = past;
  const joined = writes.map(({ held }) => held).reduce((a, b) => joins.join(a, b).held);
  for (const [region, { slot }] of places.entries()) {
    const state = stateOf(slot);
    if (state !== joined)
      throw new Violation('I2', `${nameOf(region)} ends with ${state?.name}, the join of all is ${joined.name}`);
    if (joined.version.kind === 'tombstone' && slot.row !== undefined)
      throw new Violation('I7', `${nameOf(region)} keeps a dead row`);
  }
  checkCoverage(writes, joined, logged);
}

function linesOf(path: Path): string[] {
  const lines: string[] = [];
  for (let at = path; at !== undefined; at = at.before) lines.push(at.step);
  return lines.reverse();
}
