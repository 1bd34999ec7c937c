import type { Lattice } from '@concord/conflict';
import { CLAIM_COLUMN, LATTICE_COLUMNS, parseCounters, parseRanked, parseRegisters } from '@concord/events';
import type { Table } from '@concord/runtime';
import type { Change } from './change.ts';

/** A tag that this release does not understand. */
export type UnknownTag = { readonly column: string; readonly text: string };

type Event = Change['event'];
const [INCARNATION, REGISTERS, COUNTERS] = LATTICE_COLUMNS;

const textIn = (event: Event, name: string): string | undefined => {
  const text = event[name];
  return typeof text === 'string' ? text : undefined;
};

const unknown = (event: Event, column: string): UnknownTag => ({
  column,
  text: String(textIn(event, column) ?? null).slice(0, 200),
});

/**
 * A version of a table that has such columns, with what they say. Without an incarnation it is a version of a register table;
 * a row without a claim claims what it holds since its own write.
 */
export function withTags(change: Change, table: Pick<Table, 'lattice' | 'claims'>): Change | UnknownTag {
  const lattice = table.lattice ? readLattice(change.event) : undefined;
  if (lattice !== undefined && 'column' in lattice) return lattice;
  const tagged = lattice === undefined ? change : { ...change, lattice };
  if (!table.claims || change.kind === 'tombstone') return tagged;
  const text = textIn(change.event, CLAIM_COLUMN);
  const claim = text === undefined ? { stamp: change.stamp, region: change.region } : parseRanked(text);
  return claim === undefined ? unknown(change.event, CLAIM_COLUMN) : { ...tagged, claim };
}

function readLattice(event: Event): Lattice | UnknownTag | undefined {
  const [first, second, third] = LATTICE_COLUMNS.map((name) => textIn(event, name));
  if (first === undefined && second === undefined && third === undefined) return undefined;
  const incarnation = first === undefined ? undefined : parseRanked(first);
  if (incarnation === undefined) return unknown(event, INCARNATION);
  const registers = second === undefined ? undefined : parseRegisters(second);
  if (registers === undefined) return unknown(event, REGISTERS);
  const counters = third === undefined ? undefined : parseCounters(third);
  if (counters === undefined) return unknown(event, COUNTERS);
  return { incarnation, registers, counters, txId: event._tx_id };
}
