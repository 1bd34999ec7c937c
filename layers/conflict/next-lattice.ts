import { addDecimals, type Counter, type Counters, isZero, joinCounters } from './counter.ts';
import { compareLives, type Lattice, lift } from './lattice.ts';
import { joinVectors } from './merge.ts';
import type { WriteContext } from './next-version.ts';
import { compare, type Ranked } from './order.ts';
import { EMPTY_VECTOR, type Vector } from './vector.ts';
import type { Version } from './version.ts';

/** What a local write on a lattice table knows when it is stamped. */
export type LatticeWrite = WriteContext & {
  /** `_tx_id`: the writing transaction. */
  readonly txId: string;
  /** Registers of which a column changed; an insert needs none. */
  readonly changed: readonly string[];
  /** By counter column, decimal text: new − old, or what an insert begins with. Zeros may be left out of an update. */
  readonly increments: Readonly<Record<string, string>>;
  /** Of an update or delete: what every counter column of the table held before. Absent means the columns that the row counts already. */
  readonly values?: Readonly<Record<string, string>> | undefined;
};

/**
 * The version that a local write on a lattice table makes: the model of its stamp and bury triggers. Its stamp is above every
 * entry of what it saw; only the registers that changed get it. An update that only increments changes counters and vector and
 * nothing else, so it overrules no concurrent edit. A write that changes nothing must not come here.
 */
export function nextLattice(kind: Version['kind'], write: LatticeWrite): Version {
  const { region, row } = write;
  const dot = { stamp: stampOf(write), region };
  const isBeneath = isRowBeneath(write);
  if (kind === 'tombstone') return buried(write, dot, isBeneath);
  if (row === undefined || isBeneath) return inserted(write, dot, write.tombstone ?? row, write.increments);
  if (countsOthers(write, row)) return inserted(write, dot, row, totals(write));
  return updated(write, row, dot);
}

const isRowBeneath = ({ row, tombstone }: WriteContext): boolean =>
  row !== undefined && tombstone !== undefined && compareLives(tombstone, row) >= 0;

/**
 * Was this life begun while the table had other counter columns? Regions may hold different values of a column that was not
 * counted, so they have no common base to count from: the write begins a new life.
 */
function countsOthers({ values }: LatticeWrite, { lattice }: Version): boolean {
  if (values === undefined || lattice === undefined) return false;
  const columns = Object.keys(lattice.counters);
  return columns.length !== Object.keys(values).length || columns.some((column) => !Object.hasOwn(values, column));
}

const totals = ({ values = {}, increments }: LatticeWrite): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(values).map(([column, value]) => [column, addDecimals(value, increments[column] ?? '0')]),
  );

function stampOf({ clock, floor, row, tombstone }: LatticeWrite): number {
  const seen = [row, tombstone].flatMap((version) =>
    version === undefined ? [] : [version.stamp, ...Object.values(version.vector)],
  );
  return Math.max(clock, floor, ...seen.map((stamp) => stamp + 1));
}

const writesOf = ({ row, tombstone }: LatticeWrite): number => Math.max(row?.writes ?? 0, tombstone?.writes ?? 0) + 1;

const withDot = (vector: Vector, { stamp, region }: Ranked): Vector => ({ ...vector, [region]: stamp });

/** The first version of a life. Its counters begin with these sums. */
function inserted(
  write: LatticeWrite,
  dot: Ranked,
  parent: Version | undefined,
  sums: LatticeWrite['increments'],
): Version {
  const counters = based(sums, dot);
  const lattice: Lattice = { incarnation: dot, registers: {}, counters, txId: write.txId };
  return {
    kind: 'row',
    ...dot,
    vector: withDot(parent?.vector ?? EMPTY_VECTOR, dot),
    writes: writesOf(write),
    lattice,
  };
}

const based = (sums: Readonly<Record<string, string>>, { stamp, region }: Ranked): Counters =>
  Object.fromEntries(
    Object.entries(sums).map(([column, sum]) => [column, { [region]: [stamp, sum] } satisfies Counter]),
  );

/** A lifted row has counted nothing yet: whoever lifts it takes its value for what its writer added. */
const countersOf = ({ values }: LatticeWrite, row: Version): Counters =>
  row.lattice === undefined && values !== undefined ? based(values, row) : lift(row).counters;

function updated(write: LatticeWrite, row: Version, dot: Ranked): Version {
  const { incarnation, registers, txId } = lift(row);
  const next: Lattice = {
    incarnation,
    registers: { ...registers, ...Object.fromEntries(write.changed.map((name) => [name, dot])) },
    counters: incremented(countersOf(write, row), write.increments, dot),
    txId: write.changed.length > 0 ? write.txId : txId,
  };
  const vector = withDot(row.vector, dot);
  if (write.changed.length === 0) return { ...row, vector, lattice: next };
  return { ...row, ...dot, vector, writes: writesOf(write), lattice: next };
}

const NOTHING: readonly [number, string] = [0, '0'];

function incremented(counters: Counters, increments: LatticeWrite['increments'], { stamp, region }: Ranked): Counters {
  const next: Record<string, Counter> = { ...counters };
  for (const [column, delta] of Object.entries(increments)) {
    if (isZero(delta)) continue;
    const counter = Object.hasOwn(next, column) ? (next[column] ?? {}) : {};
    const [, sum] = Object.hasOwn(counter, region) ? (counter[region] ?? NOTHING) : NOTHING;
    next[column] = { ...counter, [region]: [stamp, addDecimals(sum, delta)] };
  }
  return next;
}

/** A delete ends the life that it saw; where a later life has ended already, that one stays ended. */
function buried(write: LatticeWrite, dot: Ranked, isBeneath: boolean): Version {
  const row = write.row as Version;
  const head = { kind: 'tombstone' as const, ...dot, writes: writesOf(write) };
  const { incarnation } = lift(row);
  const counters = countersOf(write, row);
  if (!isBeneath || write.tombstone === undefined) {
    const lattice = { incarnation, registers: {}, counters, txId: write.txId };
    return { ...head, vector: withDot(row.vector, dot), lattice };
  }
  const known = lift(write.tombstone);
  const isSame = compare(known.incarnation, incarnation) === 0;
  const vector = isSame ? joinVectors(write.tombstone.vector, row.vector) : write.tombstone.vector;
  const lattice = {
    incarnation: known.incarnation,
    registers: {},
    counters: isSame ? joinCounters(known.counters, counters) : known.counters,
    txId: write.txId,
  };
  return { ...head, vector: withDot(vector, dot), lattice };
}
