import { addDecimals } from './counter.ts';
import { type ConflictKind, conflictKind, decide } from './decide.ts';
import {
  columnsOf,
  compareLives,
  covers,
  EVERY_COLUMN,
  joinLattices,
  type Lattice,
  lift,
  overlap,
  registerOf,
} from './lattice.ts';
import { compare, type Ranked } from './order.ts';
import { seen, type Vector } from './vector.ts';
import { hasSeen, type Version } from './version.ts';

export type Side = 'stored' | 'incoming';

/** A write, or a region's increments, that a join left out although the winner had not seen it. */
export type Loser = {
  readonly side: Side;
  readonly kind: ConflictKind;
  /** The write that lost. With the part it is the identity of the conflict, the same in every region. */
  readonly dot: Ranked;
  /** Empty: the whole version. Else the register's name, or `column+stamp` of increments, with the stamp of their dot. */
  readonly part: string;
  /**
   * Of increments: all that the region had added up to there and the winner had not seen. Absent where that is not known: the
   * winner began another life and had seen some of them.
   */
  readonly amount?: string;
};

/** The join of a stored and an incoming version. */
export type Merged = {
  readonly version: Version;
  /** `stored`: nothing changes. `incoming`: it is stored as it is. `both`: a version that nobody wrote. */
  readonly from: Side | 'both';
  /** Did the incoming version leave any trace in what is visible? Otherwise it is superseded. */
  readonly applied: boolean;
  /** Whose value a column has (not that of a counter: see `counterValue`). Of a tombstone: whose image. */
  readonly sideOf: (column: string) => Side;
  readonly losers: readonly Loser[];
};

/**
 * The universal join of two versions of one row: of a register table the maximum by the order (`decide`), otherwise
 *
 * - the greater incarnation wins wholly;
 * - in one life death is absorbing;
 * - else pointwise: each register by its own stamp, each region's counter by its stamp.
 *
 * Vectors are joined within a life only. Commutative, associative and idempotent in `version`.
 */
export function merge(stored: Version, incoming: Version): Merged {
  if (stored.lattice === undefined && incoming.lattice === undefined) return mergeRegisters(stored, incoming);
  const lives = compareLives(incoming, stored);
  if (lives === 0) return mergePointwise(stored, incoming);
  const [winner, loser, side]: [Version, Version, Side] =
    lives > 0 ? [incoming, stored, 'incoming'] : [stored, incoming, 'stored'];
  const kind = conflictKind(stored, incoming);
  const losers = wholeLosers(winner, loser, side === 'incoming' ? 'stored' : 'incoming', kind);
  return { ...overruled(winner, loser, side), applied: side === 'incoming', sideOf: () => side, losers };
}

function mergeRegisters(stored: Version, incoming: Version): Merged {
  const decision = decide(stored, incoming);
  const from = decision.outcome === 'apply' ? 'incoming' : 'stored';
  const losers: Loser[] = [];
  if (decision.because === 'conflict') {
    const { kind, loser: side } = decision;
    const { stamp, region } = side === 'stored' ? stored : incoming;
    losers.push({ side, kind, dot: { stamp, region }, part: '' });
  }
  const version = from === 'incoming' ? incoming : stored;
  return { version, from, applied: from === 'incoming', sideOf: () => from, losers };
}

const isSameLife = (a: Version, b: Version): boolean => compare(lift(a).incarnation, lift(b).incarnation) === 0;

/** A dead row keeps what it was, and remembers what has been joined into it: a later insert must be stamped above it. */
function overruled(winner: Version, loser: Version, side: Side): Pick<Merged, 'version' | 'from'> {
  if (!isSameLife(winner, loser)) return { version: winner, from: side };
  const vector = joinVectors(winner.vector, loser.vector);
  if (sameVector(vector, winner.vector)) return { version: winner, from: side };
  return { version: { ...winner, lattice: lift(winner), vector }, from: 'both' };
}

function mergePointwise(stored: Version, incoming: Version): Merged {
  const order = compare(incoming, stored);
  const head = order > 0 ? incoming : stored;
  const [a, b] = [lift(stored), lift(incoming)];
  const vector = joinVectors(stored.vector, incoming.vector);
  const claim = greater(stored.claim, incoming.claim);
  const lattice = joinLattices(a, b, lift(head).txId);
  const version: Version = { ...head, vector, lattice, ...(claim && { claim }) };
  const from = sameVector(vector, stored.vector) ? 'stored' : sameVector(vector, incoming.vector) ? 'incoming' : 'both';
  const kind = conflictKind(stored, incoming);
  const losers =
    stored.kind === 'tombstone'
      ? wholeLosers(head, head === stored ? incoming : stored, head === stored ? 'incoming' : 'stored', kind)
      : [...registerLosers(stored, incoming, 'incoming', kind), ...registerLosers(incoming, stored, 'stored', kind)];
  return {
    version: from === 'both' ? version : from === 'stored' ? stored : incoming,
    from,
    applied: from !== 'stored',
    sideOf: (column) =>
      stored.kind === 'tombstone'
        ? order > 0
          ? 'incoming'
          : 'stored'
        : compare(registerOf(b, column), registerOf(a, column)) > 0
          ? 'incoming'
          : 'stored',
    losers,
  };
}

const greater = (a: Ranked | undefined, b: Ranked | undefined): Ranked | undefined =>
  a !== undefined && b !== undefined ? (compare(a, b) >= 0 ? a : b) : (a ?? b);

/** The pointwise maximum. Only within one life of a lattice row: on register tables it would invent history. */
export function joinVectors(a: Vector, b: Vector): Vector {
  const joined: Record<string, number> = { ...a };
  for (const [region, stamp] of Object.entries(b)) joined[region] = Math.max(seen(joined, region), stamp);
  return joined;
}

/** Do two vectors say the same? Versions of a lattice table with equal vectors are one. */
export const sameVector = (a: Vector, b: Vector): boolean => {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((region) => a[region] === seen(b, region));
};

/** What of a version that was overruled as a whole its winner had not seen: writes, and increments. */
function wholeLosers(winner: Version, loser: Version, side: Side, kind: ConflictKind): Loser[] {
  const lost = (dot: Ranked, part: string): Loser[] => (hasSeen(winner, dot) ? [] : [{ side, kind, dot, part }]);
  if (loser.kind === 'tombstone') return lost({ stamp: loser.stamp, region: loser.region }, '');
  const lattice = lift(loser);
  const { incarnation, registers } = lattice;
  const base = greater(incarnation, registers[EVERY_COLUMN]) ?? incarnation;
  // What an insert began to count with is lost with the insert.
  const isBegin = (dot: Ranked): boolean => base === incarnation && compare(dot, incarnation) === 0;
  return [
    ...lost(base, ''),
    ...heldRegisters(lattice).flatMap(([name, dot]) => (name === EVERY_COLUMN ? [] : lost(dot, name))),
    ...incrementLosers(winner, loser, side, kind).filter(({ dot }) => !isBegin(dot)),
  ];
}

/** Increments that a delete, or a new life, had not seen; what an insert began with is the first of them. */
function incrementLosers(winner: Version, loser: Version, side: Side, kind: ConflictKind): Loser[] {
  const losers: Loser[] = [];
  for (const [column, counter] of Object.entries(lift(loser).counters))
    for (const [region, [stamp, sum]] of Object.entries(counter)) {
      const dot = { stamp, region };
      if (hasSeen(winner, dot)) continue;
      const before = seenSum(winner, loser, column, region);
      const amount = before === undefined ? {} : { amount: addDecimals(sum, negated(before)) };
      losers.push({ side, kind, dot, part: `${column}+${stamp}`, ...amount });
    }
  return losers;
}

/**
 * What the winner had seen of a region's increments in the loser's life; undefined if that is some of them in another life, or if
 * it did not count the column.
 */
function seenSum(winner: Version, loser: Version, column: string, region: string): string | undefined {
  const { incarnation } = lift(loser);
  if (isSameLife(winner, loser)) {
    const counter = lift(winner).counters[column];
    return counter === undefined ? undefined : (counter[region]?.[1] ?? '0');
  }
  const isUnseen = !hasSeen(winner, incarnation) || seen(winner.vector, region) < incarnation.stamp;
  return isUnseen ? '0' : undefined;
}

const negated = (decimal: string): string => (decimal.startsWith('-') ? decimal.slice(1) : `-${decimal}`);

/** Registers that still hold a column: no greater one covers all of theirs. */
const heldRegisters = (lattice: Lattice): [string, Ranked][] =>
  Object.entries(lattice.registers).filter(
    ([name, dot]) =>
      name === EVERY_COLUMN || columnsOf(name).some((column) => compare(registerOf(lattice, column), dot) === 0),
  );

/**
 * Registers of `loser` that a greater one of `winner` covers, written by somebody who had not seen them. While a policy is being
 * changed one side may count a column that is a register of the other: what was counted holds.
 */
function registerLosers(winner: Version, loser: Version, side: Side, kind: ConflictKind): Loser[] {
  const [known, other] = [lift(loser), lift(winner)];
  const rivals = Object.entries(other.registers);
  const counted = Object.keys(other.counters).filter((column) => !Object.hasOwn(known.counters, column));
  return heldRegisters(known)
    .filter(([name, dot]) => {
      if (hasSeen(winner, dot)) return false;
      const isOverruled = rivals.some(([rival, newer]) => overlap(name, rival) && compare(newer, dot) > 0);
      return isOverruled || counted.some((column) => covers(name, column));
    })
    .map(([name, dot]) => ({ side, kind, dot, part: name === EVERY_COLUMN ? '' : name }));
}
