import { type Conflict, compare, decide, hasSeen, isNewer } from '@concord/conflict';
import type { Change } from '../../functions/apply/change.ts';
import { collapse } from '../../functions/apply/collapse.ts';
import { stateOf as stateOfStored } from '../../functions/apply/stored.ts';
import { Violation } from './violation.ts';

/** What a region's database holds for one key: row and tombstone live in different tables. */
export type Slot = { readonly row?: Change; readonly tombstone?: Change };

export const EMPTY_SLOT: Slot = {};

/** The state of a key: the greater of row and tombstone. */
export const stateOf = (slot: Slot): Change | undefined => stateOfStored(slot) as Change | undefined;

/** What one write did to its slot. */
type Effect = {
  readonly slot: Slot;
  readonly written: boolean;
  readonly conflicts: readonly Conflict<Change>[];
  /** A tombstone found no row: a local insert in flight may not have seen it. */
  readonly unsettled: boolean;
};

/** The transaction of one batch before it commits. */
export type Staged = {
  readonly slots: ReadonlyMap<string, Slot>;
  readonly applied: number;
  readonly superseded: readonly Change[];
  readonly conflicts: readonly Conflict<Change>[];
  readonly unsettled: readonly string[];
};

/** The statement of `write-clean.ts`: newer, and it has seen whatever is there. */
const isClean = ({ row, tombstone }: Slot, change: Change): boolean =>
  (tombstone === undefined || hasSeen(change, tombstone)) &&
  (row === undefined || (isNewer(change, row) && hasSeen(change, row)));

/** Deletes a row under a newer tombstone and logs it if the tombstone had not seen it (`bury.ts`). */
export function bury(slot: Slot): { slot: Slot; conflicts: Conflict<Change>[] } {
  const { row, tombstone } = slot;
  if (row === undefined || tombstone === undefined || !isNewer(tombstone, row)) return { slot, conflicts: [] };
  const conflicts: Conflict<Change>[] = hasSeen(tombstone, row)
    ? []
    : [{ kind: 'delete_origin_differs', loser: row, winner: tombstone }];
  return { slot: { tombstone }, conflicts };
}

/** `write-clean.ts`, then `write-joined.ts` for what it refuses, with the guards that the statements repeat. */
export function writeChange(found: Slot, change: Change): Effect {
  const decision = decide(stateOf(found), change);
  if (change.kind === 'row' && isClean(found, change)) {
    if (decision.outcome !== 'apply' || decision.because === 'conflict')
      throw new Violation(
        'fast path',
        `the clean write applies what decide calls ${decision.outcome} ${decision.because}`,
      );
    return { slot: { ...found, row: change }, written: true, conflicts: [], unsettled: false };
  }
  const { slot, conflicts: buried } = bury(found);
  const conflicts = [...buried];
  if (decision.because === 'conflict') {
    const state = stateOf(slot) as Change;
    const [loser, winner] = decision.loser === 'stored' ? [state, change] : [change, state];
    conflicts.push({ kind: decision.kind, loser, winner });
  }
  if (decision.outcome === 'superseded') return { slot, written: false, conflicts, unsettled: false };
  return { ...overwrite(slot, change), conflicts };
}

function overwrite({ row, tombstone }: Slot, change: Change): Omit<Effect, 'conflicts'> {
  const older = change.kind === 'row' ? row : tombstone;
  if (older !== undefined && compare(change, older) <= 0)
    throw new Violation('guard', 'a locked version was not older than its winner');
  if (change.kind === 'row')
    return { slot: { row: change, ...(tombstone && { tombstone }) }, written: true, unsettled: false };
  const kept = row !== undefined && !isNewer(change, row);
  return { slot: { ...(kept && { row }), tombstone: change }, written: true, unsettled: row === undefined };
}

/** One batch as the apply function runs it: collapse, then one write per key. Nothing is kept until the caller commits. */
export function stage(slotOf: (key: string) => Slot, changes: readonly Change[]): Staged {
  const slots = new Map<string, Slot>();
  const superseded: Change[] = [];
  const conflicts: Conflict<Change>[] = [];
  const unsettled: string[] = [];
  let applied = 0;
  for (const group of collapse(changes)) {
    const { key } = group.winner;
    const effect = writeChange(slotOf(key), group.winner);
    superseded.push(...group.others);
    conflicts.push(...group.conflicts, ...effect.conflicts);
    if (effect.written) applied += 1;
    else superseded.push(group.winner);
    if (effect.unsettled) unsettled.push(key);
    slots.set(key, effect.slot);
  }
  return { slots, applied, superseded, conflicts, unsettled };
}
