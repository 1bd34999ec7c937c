import { nextVersion } from '@concord/conflict';
import { REGION_NAMES } from '../schedule.ts';
import { type Held, newHeld, type Write } from './history.ts';
import { type Joins, newJoins } from './joins.ts';
import type { Logged } from './losses.ts';
import { RULES, type Rule } from './rules.ts';
import type { Schedule } from './schedule.ts';
import { EMPTY_SLOT, type Slot } from './slot.ts';

export type Region = {
  readonly name: string;
  readonly bonus: number;
  slot: Slot;
  rule: Rule;
  /** Does its apply function know lattices? */
  resolves: boolean;
  /** An insert that is stamped and not committed. */
  open: Write | undefined;
  /** Bit i: write i was made here, or was in a batch that committed here. */
  given: number;
  /** Writes that its apply function did not understand. */
  parked: Write[];
};

/** What happened in a run. */
export type Counts = Record<
  | 'writes'
  | 'deletes'
  | 'reinserts'
  | 'increments'
  | 'ties'
  | 'lost'
  | 'crashes'
  | 'beneath'
  | 'buried'
  | 'raised'
  | 'switched',
  number
>;

/** Who made an insert that was rolled back. */
export const NOBODY = 'nobody';

export type World = {
  readonly regions: readonly Region[];
  readonly history: Write[];
  readonly joins: Joins;
  readonly to: Rule;
  readonly rash: boolean;
  logged: Logged;
  everParked: number;
  readonly counts: Counts;
  readonly note: ((line: string) => void) | undefined;
};

export function newWorld({ regions, from, to, rash, bonus, bottom }: Schedule, note?: World['note']): World {
  const history: Write[] = [];
  const states = new Map<string, Held>();
  const keep = (held: Held): Held => {
    const known = states.get(held.name) ?? held;
    states.set(held.name, known);
    return known;
  };
  const slot = bottom ? { ...EMPTY_SLOT, row: keep(addBottom(history)) } : EMPTY_SLOT;
  const counts = {
    writes: 0,
    deletes: 0,
    reinserts: 0,
    increments: 0,
    ties: 0,
    lost: 0,
    crashes: 0,
    beneath: 0,
    buried: 0,
    raised: 0,
    switched: 0,
  };
  note?.(`from ${from} to ${to}${bottom ? ', a row is there already' : ''}`);
  return {
    regions: REGION_NAMES.slice(0, regions).map((name, index) => ({
      name,
      bonus: bonus[index] ?? 0,
      slot,
      rule: RULES[from],
      resolves: RULES[from].lattice,
      open: undefined,
      given: bottom ? 1 : 0,
      parked: [],
    })),
    history,
    joins: newJoins(history, keep),
    to: RULES[to],
    rash,
    logged: [],
    everParked: 0,
    counts,
    note,
  };
}

/** A row that was in every region before its table was enrolled: the same everywhere. */
function addBottom(history: Write[]): Held {
  const version = { ...nextVersion('row', { region: '', clock: 0, floor: 0 }), vector: {} };
  const held = newHeld(version, { a: 'v0', b: 'v0', n: '1' }, 1, 0);
  history.push({
    id: 0,
    op: 'insert',
    rule: RULES.lww,
    region: '',
    stamp: 0,
    held,
    columns: ['a', 'b', 'n'],
    delta: 0,
    over: [],
  });
  return held;
}

/** What regions can be given: no insert that is open or was rolled back. */
export const committedOf = ({ history, regions }: World): Write[] =>
  history.filter(({ id, region }) => region !== NOBODY && regions.every(({ open }) => open?.id !== id));
