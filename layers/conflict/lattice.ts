import { type Counters, joinCounters } from './counter.ts';
import { compare, type Ranked } from './order.ts';
import type { Version } from './version.ts';

/**
 * Registers by the columns that they cover: `status`, `city,street` (a group, written together), `*` (all columns). A register
 * that is missing was last written by the insert that began this life.
 */
export type Registers = Readonly<Record<string, Ranked>>;

/** What a version of a lattice table (`merge`, counters, `delete: wins`) carries beside its order and vector. */
export type Lattice = {
  /** Stamp and region of the insert that began this life of the row. The greater one wins wholly. */
  readonly incarnation: Ranked;
  readonly registers: Registers;
  /** Of a tombstone: the increments that its delete had seen. */
  readonly counters: Counters;
  /** `_tx_id` of the greatest register's write: it moves with it and decides nothing. */
  readonly txId: string;
};

/** The register of all columns. */
export const EVERY_COLUMN = '*';

const SEPARATOR = ',';

/** The name of a register: `registerName(['city', 'street'])` is `city,street`. Column names with commas are refused at load. */
export const registerName = (columns: readonly string[]): string => columns.join(SEPARATOR);

/** The columns of a register that names them. */
export const columnsOf = (name: string): readonly string[] => name.split(SEPARATOR);

/** Does a register cover a column? */
export const covers = (name: string, column: string): boolean =>
  name === EVERY_COLUMN || name === column || columnsOf(name).includes(column);

/** Do two registers share a column? They are different only while a policy is being changed. */
export const overlap = (a: string, b: string): boolean =>
  a === b || a === EVERY_COLUMN || b === EVERY_COLUMN || columnsOf(a).some((column) => covers(b, column));

/**
 * A version of a register table as one of a lattice: each is a life of its own, begun by itself, so that the join of two of
 * them is the greater one. That is what lets a table change its policy while it takes writes.
 */
export const lift = (version: Version): Lattice =>
  version.lattice ?? {
    incarnation: { stamp: version.stamp, region: version.region },
    registers: {},
    counters: {},
    txId: '0',
  };

/** The last write of a column: its register's, or the insert. */
export function registerOf({ incarnation, registers }: Lattice, column: string): Ranked {
  let greatest = incarnation;
  for (const [name, dot] of Object.entries(registers))
    if (covers(name, column) && compare(dot, greatest) > 0) greatest = dot;
  return greatest;
}

/** The pointwise maximum. A column may be called `__proto__`, which only a map takes for a name. */
export function joinRegisters(a: Registers, b: Registers): Registers {
  const joined = new Map(Object.entries(a));
  for (const [name, dot] of Object.entries(b)) {
    const known = joined.get(name);
    if (known === undefined || compare(dot, known) > 0) joined.set(name, dot);
  }
  return Object.fromEntries(joined);
}

/**
 * Which of two versions decides by itself: positive when `a` does (a later life, or dead in the same one, because in one life
 * death is absorbing), negative when `b` does, 0 when they are joined pointwise.
 */
export function compareLives(a: Version, b: Version): number {
  const lives = compare(lift(a).incarnation, lift(b).incarnation);
  if (lives !== 0) return lives;
  if (a.kind === b.kind) return 0;
  return a.kind === 'tombstone' ? 1 : -1;
}

export const joinLattices = (a: Lattice, b: Lattice, txId: string): Lattice => ({
  incarnation: a.incarnation,
  registers: joinRegisters(a.registers, b.registers),
  counters: joinCounters(a.counters, b.counters),
  txId,
});
