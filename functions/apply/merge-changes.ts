import {
  type Conflict,
  counterValue,
  type Lattice,
  type Merged,
  merge,
  type Ranked,
  type Side,
} from '@concord/conflict';
import {
  CLAIM_COLUMN,
  CONNECTOR_FIELDS,
  formatCounters,
  formatRanked,
  formatRegisters,
  LATTICE_COLUMNS,
  LOCAL_COLUMN,
  STAMP_COLUMNS,
} from '@concord/events';
import type { Table } from '@concord/runtime';
import type { Change } from './change.ts';
import { incomingImage, type LoggedConflict } from './conflict-log.ts';

/**
 * A write, or increments, that a join left out although the winner had not seen it. Without the optional parts it is the loser as
 * a whole; with them see `Loser` of layers/conflict.
 */
export type Loss = Conflict<Change> & { readonly dot?: Ranked; readonly part?: string; readonly amount?: string };

/** The join of two versions of one row; `change` is one of them, or a version that nobody wrote. */
export type MergedChange = Pick<Merged, 'from' | 'applied'> & {
  readonly change: Change;
  readonly conflicts: readonly Loss[];
};

/** `merge` of layers/conflict with the texts of the columns. Of lattice and register tables alike; commutative but for the record. */
export function mergeChanges(stored: Change, incoming: Change): MergedChange {
  const merged = merge(stored, incoming);
  const sides = { stored, incoming };
  const change = merged.from === 'both' ? joined(merged, sides) : sides[merged.from];
  const conflicts = merged.losers.map(({ side, ...part }): Loss => ({ ...part, loser: sides[side], winner: change }));
  return { change, from: merged.from, applied: merged.applied, conflicts };
}

const METADATA: ReadonlySet<string> = new Set([
  ...STAMP_COLUMNS,
  ...LATTICE_COLUMNS,
  CLAIM_COLUMN,
  LOCAL_COLUMN,
  ...CONNECTOR_FIELDS,
]);

/** The version that both have made together. It goes by the record of the incoming one, if that is in it at all. */
function joined(merged: Merged, sides: Readonly<Record<Side, Change>>): Change {
  const { version, applied, sideOf } = merged;
  const head = headOf(merged, sides);
  const lattice = version.lattice as Lattice;
  const entries: [string, Change['event'][string]][] = [];
  const names = namesIn(sides);
  for (const name of names) {
    // What is absent there means the column's constant default, and stays absent.
    const { event } = sides[sideOf(name)];
    if (Object.hasOwn(event, name)) entries.push([name, event[name]]);
  }
  for (const [name, counter] of Object.entries(lattice.counters))
    if (version.kind === 'row' && names.has(name)) entries.push([name, counterValue(counter)]);
  const event = {
    ...Object.fromEntries(Object.entries(head.event).filter(([name]) => METADATA.has(name))),
    ...Object.fromEntries(entries),
    ...metadata(version, lattice),
  } as Change['event'];
  const { table, key } = head;
  return { ...version, table, key, event, record: sides[applied ? 'incoming' : 'stored'].record };
}

/** The side whose last write of a register is the joined version's. */
const headOf = ({ version }: Merged, { stored, incoming }: Readonly<Record<Side, Change>>): Change =>
  version.kind === incoming.kind && version.stamp === incoming.stamp && version.region === incoming.region
    ? incoming
    : stored;

/** Names of columns in either event, without metadata. */
function namesIn({ stored, incoming }: Readonly<Record<Side, Change>>): Set<string> {
  const names = new Set<string>();
  for (const { event } of [stored, incoming]) for (const name in event) if (!METADATA.has(name)) names.add(name);
  return names;
}

/** What the head's own event does not say of the joined version. */
const metadata = (
  { vector, claim }: Merged['version'],
  { incarnation, registers, counters }: Lattice,
): Record<string, string> => ({
  _version_vector: JSON.stringify(vector),
  _incarnation: formatRanked(incarnation),
  _column_stamps: formatRegisters(registers),
  _counters: formatCounters(counters),
  ...(claim && { [CLAIM_COLUMN]: formatRanked(claim) }),
});

/** A loss as the conflict log keeps it. */
export const asLogged = ({ loser, winner, ...part }: Loss, table: Table): LoggedConflict => ({
  ...part,
  loser,
  winner,
  ...incomingImage(loser, table),
  winnerImage: incomingImage(winner, table).image,
});
