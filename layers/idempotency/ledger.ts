/** What became of a delivered record; every one has exactly one outcome. */
export type Outcome = 'applied' | 'superseded' | 'held' | 'parked';

/** Counts of one topic-partition: applied + superseded + held + parked = received (I6). */
export type Tally = { readonly received: number } & Readonly<Record<Outcome, number>> & { readonly conflicts: number };

export const EMPTY_TALLY: Tally = { received: 0, applied: 0, superseded: 0, held: 0, parked: 0, conflicts: 0 };

export const addTallies = (a: Tally, b: Tally): Tally => ({
  received: a.received + b.received,
  applied: a.applied + b.applied,
  superseded: a.superseded + b.superseded,
  held: a.held + b.held,
  parked: a.parked + b.parked,
  conflicts: a.conflicts + b.conflicts,
});

/** Does every received record have an outcome? */
export const balances = (tally: Tally): boolean =>
  tally.applied + tally.superseded + tally.held + tally.parked === tally.received;

/**
 * The tally of a partition from the outcomes that are exceptions: what is neither superseded, held nor parked was applied.
 * Throws when there are more exceptions than records: a record was counted twice.
 */
export function tallyOf(received: number, exceptions: Omit<Tally, 'received' | 'applied'>): Tally {
  const applied = received - exceptions.superseded - exceptions.held - exceptions.parked;
  if (applied < 0) throw new Error(`${-applied} records have more than one outcome`);
  return { received, applied, ...exceptions };
}
