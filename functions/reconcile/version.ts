import { type Counters, type Lattice, parseVector, type Ranked, type Registers, type Version } from '@concord/conflict';
import { LATTICE_COLUMNS, type StoredVersion } from '@concord/events';

const [INCARNATION, REGISTERS, COUNTERS] = LATTICE_COLUMNS;

/** A stored version as the join reads it. Throws on metadata that this release does not write. */
export function versionOf(stored: StoredVersion): Version {
  const { event, place, stampUs, region } = stored;
  const version: Version = {
    kind: place === 'tombstone' ? 'tombstone' : 'row',
    stamp: stampUs,
    region,
    vector: parseVector(event._version_vector ?? '{}'),
    writes: Number(event._version),
  };
  const lattice = latticeOf(event);
  return lattice === undefined ? version : { ...version, lattice };
}

/** Undefined of a version of a register table, and of one from before the table became a lattice. */
function latticeOf(event: StoredVersion['event']): Lattice | undefined {
  const incarnation = event[INCARNATION] ?? null;
  if (incarnation === null) return undefined;
  return {
    incarnation: rankedOf(INCARNATION, JSON.parse(incarnation)),
    registers: registersOf(event[REGISTERS] ?? '{}'),
    counters: countersOf(event[COUNTERS] ?? '{}'),
    txId: event._tx_id ?? '0',
  };
}

const unknown = (column: string): Error => new Error(`this release does not understand its ${column}`);

function rankedOf(column: string, value: unknown): Ranked {
  const [stamp, region]: unknown[] = Array.isArray(value) && value.length === 2 ? value : [];
  if (!Number.isSafeInteger(stamp) || typeof region !== 'string') throw unknown(column);
  return { stamp: stamp as number, region };
}

function entriesOf(column: string, value: unknown): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unknown(column);
  return Object.entries(value);
}

const registersOf = (text: string): Registers =>
  Object.fromEntries(entriesOf(REGISTERS, JSON.parse(text)).map(([name, value]) => [name, rankedOf(REGISTERS, value)]));

const countersOf = (text: string): Counters =>
  Object.fromEntries(
    entriesOf(COUNTERS, JSON.parse(text)).map(([column, counter]) => [
      column,
      Object.fromEntries(entriesOf(COUNTERS, counter).map(([region, value]) => [region, addedOf(value)])),
    ]),
  );

function addedOf(value: unknown): readonly [number, string] {
  const [stamp, sum]: unknown[] = Array.isArray(value) && value.length === 2 ? value : [];
  if (!Number.isSafeInteger(stamp) || typeof sum !== 'string') throw unknown(COUNTERS);
  return [stamp as number, sum];
}
