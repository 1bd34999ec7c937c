import { type Lattice, parseVector, type Version } from '@concord/conflict';
import { LATTICE_COLUMNS, parseCounters, parseRanked, parseRegisters, type StoredVersion } from '@concord/events';

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
    incarnation: understood(INCARNATION, parseRanked(incarnation)),
    registers: understood(REGISTERS, parseRegisters(event[REGISTERS] ?? '{}')),
    counters: understood(COUNTERS, parseCounters(event[COUNTERS] ?? '{}')),
    txId: event._tx_id ?? '0',
  };
}

function understood<T>(column: string, parsed: T | undefined): T {
  if (parsed === undefined) throw new Error(`this release does not understand its ${column}`);
  return parsed;
}
