import { compare, compareLives, merge, sameVector, type Version } from '@concord/conflict';
import {
  contentOf,
  type Difference,
  type Holding,
  type Key,
  type RepairVersion,
  regionName,
  type StoredVersion,
} from '@concord/events';
import { boundOf } from './bounds.ts';
import { columnsThatDiffer } from './columns.ts';
import type { Bounds } from './stored.ts';
import { versionOf } from './version.ts';

/** All that one region stores of a key. */
export type KeyReading = {
  readonly versions: readonly StoredVersion[];
  /** It has yet to be decided there. */
  readonly unsettled: boolean;
  /** A record of it waits there. */
  readonly parked: boolean;
};

export type Rules = {
  readonly table: string;
  readonly bounds: Bounds;
  /** Tombstones below it are no part of the state. */
  readonly horizonUs: number;
  /** Columns that are compared. */
  readonly columns: readonly string[];
};

/** What differs, and which versions each region is to be sent. */
export type Judgement = {
  readonly difference: Difference;
  readonly wanted: ReadonlyMap<string, readonly RepairVersion[]>;
};

/** A stored version and what the join reads of it. */
export type Known = { readonly stored: StoredVersion; readonly version: Version };

/** What a region holds: its greatest version, and a live row beneath it that should be gone. */
type Held = { readonly top: Known | undefined; readonly buried: Known | undefined; readonly reading: KeyReading };

/**
 * Joins all that the regions hold of a key, and says who holds less. Undefined: they are equal. A function of the set of readings: the
 * order of regions does not matter. Throws on versions that this release does not understand.
 */
export function judge(key: Key, readings: ReadonlyMap<string, KeyReading>, rules: Rules): Judgement | undefined {
  const regions = [...readings.keys()].sort();
  const held = new Map(regions.map((region) => [region, heldOf(readings.get(region) as KeyReading)]));
  const known = [...held.values()].flatMap(({ top, buried }) => [top, buried].filter((one) => one !== undefined));
  const winner = winnerOf(known);
  if (winner === undefined) return undefined;
  const holdings = new Map(regions.map((region) => [region, holdingOf(held.get(region) as Held, winner, rules)]));
  if ([...holdings.values()].every(({ holds }) => holds === 'winner')) return undefined;
  const verdict = verdictOf(holdings, known, winner, rules);
  const { stamp, region } = winner.version;
  const difference: Difference = {
    ...{ table: rules.table, key, verdict, stampUs: stamp, region, place: winner.stored.place },
    undelivered: verdict === 'diverged' && isUndelivered(winner, holdings),
    holdings: Object.fromEntries(holdings),
    columns: columnsThatDiffer(winner, known, topsOf(held), rules.columns),
  };
  return { difference, wanted: wantedOf(verdict, holdings, held, winner) };
}

/** The join of all: a version, one that was stored and comes nearest to it, and whether that one is it. */
export type Winner = Known & { readonly isStored: boolean };

function winnerOf(known: readonly Known[]): Winner | undefined {
  const [first, ...others] = known;
  if (first === undefined) return undefined;
  const version = others.reduce((joined, { version: other }) => merge(joined, other).version, first.version);
  const equal = known.filter((one) => isEqual(one.version, version)).sort(byContent);
  const nearest = equal[0] ?? known.toSorted(isAbove)[0];
  return { stored: (nearest as Known).stored, version, isStored: equal.length > 0 };
}

/** Equal versions with other contents: the greatest content first. A visible one before a held one. */
const byContent = (a: Known, b: Known): number => {
  const [x, y] = [unsigned(a), unsigned(b)];
  if (x !== y) return x > y ? -1 : 1;
  return placeRank(a) - placeRank(b);
};

const unsigned = ({ stored }: Known): bigint => BigInt.asUintN(64, BigInt(stored.hash));
const placeRank = ({ stored }: Known): number => (stored.place === 'held' ? 1 : 0);

/** Of a register table stamp and region; of a lattice the vector within one life: where it is equal everything is. */
function isEqual(a: Version, b: Version): boolean {
  if (compare(a, b) !== 0) return false;
  if (a.lattice === undefined && b.lattice === undefined) return true;
  if (compareLives(a, b) !== 0) return false;
  return sameVector(a.vector, b.vector);
}

function heldOf(reading: KeyReading): Held {
  const known = reading.versions.map((stored): Known => ({ stored, version: versionOf(stored) }));
  const [top, ...others] = known.sort(isAbove);
  const isDead = top?.version.kind === 'tombstone';
  return { top, buried: isDead ? others.find(({ version }) => version.kind === 'row') : undefined, reading };
}

/** The version that decides first: of a row and its tombstone the later life, and the tombstone of the same one. */
const isAbove = (a: Known, b: Known): number => compareLives(b.version, a.version) || compare(b.version, a.version);

const isGone = ({ version, stored }: Known, { horizonUs }: Rules): boolean =>
  version.kind === 'tombstone' && stored.latestUs < horizonUs;

function holdingOf(held: Held, winner: Winner, rules: Rules): Holding {
  const { top, buried, reading } = held;
  const shown = buried ?? top;
  const holds = holdsOf(held, winner, rules);
  const isOpen = holds !== 'winner' && holds !== 'content';
  return {
    holds: isOpen && reading.unsettled ? 'unsettled' : isOpen && reading.parked ? 'parked' : holds,
    place: shown?.stored.place ?? null,
    stampUs: shown?.stored.stampUs ?? null,
    region: shown?.stored.region ?? null,
  };
}

function holdsOf({ top, buried }: Held, winner: Winner, rules: Rules): Holding['holds'] {
  if (buried !== undefined) return winner.version.kind === 'tombstone' ? 'resurrected' : 'stale';
  if (top === undefined) {
    if (winner.version.kind === 'row') return 'missing';
    return isGone(winner, rules) ? 'winner' : 'lost_tombstone';
  }
  if (!isEqual(top.version, winner.version))
    return top.version.kind === 'row' && winner.version.kind === 'tombstone' ? 'resurrected' : 'stale';
  // Where nobody holds the join as it is, nobody's content can be wrong.
  if (winner.isStored && top.stored.hash !== winner.stored.hash) return 'content';
  return top.stored.place === winner.stored.place ? 'winner' : 'placement';
}

/** In flight: a write of it may not have reached everybody yet, or a region has yet to decide about it. */
function verdictOf(
  holdings: ReadonlyMap<string, Holding>,
  known: readonly Known[],
  winner: Winner,
  { bounds }: Rules,
): Difference['verdict'] {
  const isOpen = dotsOf(winner, known).some(([region, stampUs]) => stampUs >= boundOf(bounds, region));
  if (isOpen) return 'in_flight';
  const open = [...holdings.values()].map(({ holds }) => holds).filter((holds) => holds !== 'winner');
  if (open.includes('content')) return 'corrupt';
  return open.every((holds) => holds === 'unsettled' || holds === 'parked') ? 'in_flight' : 'diverged';
}

/** Writes that decide whether all have it: of a register table the greatest version, of a lattice all that was joined. */
function dotsOf({ version }: Winner, known: readonly Known[]): [region: string, stampUs: number][] {
  if (known.every((one) => one.version.lattice === undefined)) return [[version.region, version.stamp]];
  return known.flatMap((one) => [[one.version.region, one.version.stamp], ...Object.entries(one.version.vector)]);
}

/** Held by the region that wrote it, and by nobody else who was asked. */
function isUndelivered({ version }: Winner, holdings: ReadonlyMap<string, Holding>): boolean {
  const origin = regionName(version.region);
  if (holdings.get(origin)?.holds !== 'winner' || holdings.size < 2) return false;
  return [...holdings].every(([region, { holds }]) => region === origin || WITHOUT.has(holds));
}

const WITHOUT: ReadonlySet<Holding['holds']> = new Set(['missing', 'stale', 'resurrected', 'lost_tombstone']);

const topsOf = (held: ReadonlyMap<string, Held>): ReadonlyMap<string, Known> =>
  new Map(
    [...held].flatMap(([region, { top, buried }]) => {
      const shown = buried ?? top;
      return shown === undefined ? [] : [[region, shown] as const];
    }),
  );

/** Nothing is sent of what is in flight, nor where a version waits for something else than itself. */
function wantedOf(
  verdict: Difference['verdict'],
  holdings: ReadonlyMap<string, Holding>,
  held: ReadonlyMap<string, Held>,
  winner: Winner,
): ReadonlyMap<string, readonly RepairVersion[]> {
  const wanted = new Map<string, readonly RepairVersion[]>();
  if (verdict === 'in_flight') return wanted;
  for (const [region, { holds }] of holdings) {
    const { top } = held.get(region) as Held;
    if (holds === 'content')
      wanted.set(region, [{ ...sent(winner.stored), insteadOf: contentOf((top as Known).stored.event) }]);
    else if (WITHOUT.has(holds)) wanted.set(region, lacking(region, held, winner));
  }
  return wanted;
}

/** The winner; where nobody holds the join as it is, all versions of others that add to what the region has. */
function lacking(region: string, held: ReadonlyMap<string, Held>, winner: Winner): readonly RepairVersion[] {
  if (winner.isStored) return [sent(winner.stored)];
  let own = held.get(region)?.top?.version;
  const versions: RepairVersion[] = [];
  for (const { top } of held.values()) {
    if (top === undefined || (own !== undefined && merge(own, top.version).from === 'stored')) continue;
    own = own === undefined ? top.version : merge(own, top.version).version;
    versions.push(sent(top.stored));
  }
  return versions;
}

const sent = ({ place, event }: StoredVersion): RepairVersion => ({ place, event });
