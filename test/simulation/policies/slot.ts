import { compareLives, seen } from '@concord/conflict';
import { Violation } from '../violation.ts';
import type { Held, Item } from './history.ts';
import type { Joins } from './joins.ts';

/** What a database holds for one key, and the least stamp that it may give. */
export type Slot = { readonly row?: Held | undefined; readonly tombstone?: Held | undefined; readonly floor: number };

export const EMPTY_SLOT: Slot = { floor: 0 };

const isBeneath = (row: Held, tombstone: Held): boolean => compareLives(tombstone.version, row.version) >= 0;

/** The state of a key: its tombstone, unless the row's life is later. */
export function stateOf({ row, tombstone }: Slot): Held | undefined {
  if (row === undefined || tombstone === undefined) return row ?? tombstone;
  return isBeneath(row, tombstone) ? tombstone : row;
}

export type Effect = { readonly slot: Slot; readonly lost: readonly Item[] };

/** An own entry that goes with an overruled life is not given again: the floor of `concord.region`. */
function raised(before: Slot, after: Slot, region: string): Slot {
  const own = (held: Held | undefined): number => (held === undefined ? 0 : seen(held.version.vector, region));
  const overruled = Math.max(own(before.row), own(before.tombstone));
  const floor = overruled > own(stateOf(after)) ? Math.max(after.floor, overruled + 1) : after.floor;
  return floor === after.floor ? after : { ...after, floor };
}

/** A row beneath a tombstone goes. */
export function bury(slot: Slot, region: string, { join }: Joins): Effect {
  const { row, tombstone, floor } = slot;
  if (row === undefined || tombstone === undefined || !isBeneath(row, tombstone)) return { slot, lost: [] };
  const { held, lost } = join(tombstone, row);
  return { slot: raised(slot, { tombstone: held, floor }, region), lost };
}

/** One incoming state, in one transaction. I3: what was there is in what is there. */
export function apply(found: Slot, incoming: Held, region: string, joins: Joins): Effect {
  const { slot, lost } = bury(found, region, joins);
  const state = stateOf(slot);
  if (state === undefined) return { slot: withHeld(slot, incoming), lost };
  const { held, lost: more } = joins.join(state, incoming);
  if (held === state) return { slot, lost: [...lost, ...more] };
  if (joins.join(state, held).held !== held) throw new Violation('I3', `${state.name} goes back to ${held.name}`);
  return { slot: raised(slot, withHeld(slot, held), region), lost: [...lost, ...more] };
}

const withHeld = ({ tombstone, floor }: Slot, held: Held): Slot =>
  held.version.kind === 'tombstone' ? { tombstone: held, floor } : { row: held, tombstone, floor };
