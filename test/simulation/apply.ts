import type { Conflict } from '@concord/conflict';
import { regionOfTopic } from '@concord/events';
import { balances, progressOf, tallyOf } from '@concord/idempotency';
import type { Change } from '../../functions/apply/change.ts';
import { collapse } from '../../functions/apply/collapse.ts';
import { idOf, keyName } from './history.ts';
import { checkLabel, checkOverwritten, checkStep, checkWatermark } from './invariants.ts';
import { conflictId, type Position, type Region, slotOf } from './region.ts';
import { bury, type Slot, type Staged, stage } from './store.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';
import { endInsert } from './write.ts';

export type Batch = {
  readonly changes: readonly Change[];
  /** Decoded, but refused: kept in `concord.parked`. */
  readonly parked: readonly Change[];
  /** Records of `cdc.<region>` move watermarks; what Concord hands itself (repair, retry) does not. */
  readonly watermarked: boolean;
};

/** Runs a batch to its commit. A row whose key has an insert in flight waits for it. */
export function applyBatch(world: World, region: Region, batch: Batch): Staged {
  if (region.inFlight.size > 0)
    for (const { winner } of collapse(batch.changes)) if (winner.kind === 'row') waitFor(world, region, winner);
  const staged = stage((key) => slotOf(region, key), batch.changes);
  checkAccounting(batch, staged);
  logConflicts(world, region, staged.conflicts);
  for (const [key, slot] of staged.slots) setSlot(world, region, key, slot);
  for (const key of staged.unsettled) region.unsettled.add(key);
  region.parked.push(...batch.parked);
  if (batch.watermarked) recordProgress(world, region, [...batch.changes, ...batch.parked]);
  world.counts.batches += 1;
  world.counts.records += batch.changes.length;
  return staged;
}

function waitFor(world: World, region: Region, change: Change): void {
  for (const key of region.inFlight.keys()) if (keyName(key) === change.key) endInsert(world, region, key, 'commit');
}

function setSlot({ history }: World, region: Region, key: string, slot: Slot): void {
  const before = slotOf(region, key);
  checkStep(history, region.name, key, before, slot);
  checkOverwritten(region.name, (row) => region.conflicts.has(conflictId(row)), before, slot);
  region.slots.set(key, slot);
}

/** I6: each delivered record has exactly one outcome, per topic-partition. */
function checkAccounting({ changes, parked }: Batch, { superseded, applied }: Staged): void {
  const all = [...changes, ...parked].map(({ record }) => record);
  let sum = 0;
  for (const { topic, partition, received } of progressOf(all)) {
    const count = (outcomes: readonly Change[]): number =>
      outcomes.filter(({ record }) => record.topic === topic && record.partition === partition).length;
    const tally = tallyOf(received, { superseded: count(superseded), held: 0, parked: count(parked), conflicts: 0 });
    if (!balances(tally)) throw new Violation('I6', `the tally of ${topic}-${partition} does not balance`);
    sum += tally.applied;
  }
  if (sum !== applied) throw new Violation('I6', `${sum} records are accounted as applied, ${applied} were written`);
}

export function logConflicts({ history, counts }: World, region: Region, conflicts: readonly Conflict<Change>[]): void {
  for (const conflict of conflicts) {
    checkLabel(history, conflict);
    const id = conflictId(conflict.loser);
    const known = region.conflicts.get(id);
    if (known !== undefined && idOf(known.loser) !== idOf(conflict.loser))
      throw new Violation('I6', `v${idOf(known.loser)} and v${idOf(conflict.loser)} have one conflict id`);
    if (known === undefined) region.conflicts.set(id, conflict);
    counts.conflicts += known === undefined ? 1 : 0;
  }
}

export const positionOf = ({ regions }: World, region: Region, topic: string, partition: number): Position => {
  const source = regions.findIndex(({ name }) => name === regionOfTopic(topic));
  const position = region.positions[source]?.[partition];
  if (position === undefined) throw new Error(`no partition ${topic}-${partition}`);
  return position;
};

function recordProgress(world: World, region: Region, changes: readonly Change[]): void {
  for (const { record } of changes)
    positionOf(world, region, record.topic, record.partition).committed |= 1 << record.offset;
  for (const { topic, partition, nextOffset } of progressOf(changes.map(({ record }) => record))) {
    const position = positionOf(world, region, topic, partition);
    position.watermark = nextOffset;
    checkWatermark(region.name, topic, position);
  }
}

/** The short transaction after a batch: rows under a newer tombstone go, entries that nobody can be left for are dropped. */
export function settle(world: World, region: Region): void {
  for (const key of region.unsettled) {
    const before = slotOf(region, key);
    const { slot, conflicts } = bury(before);
    logConflicts(world, region, conflicts);
    if (slot !== before) {
      setSlot(world, region, key, slot);
      world.counts.buried += 1;
      world.note?.(`${region.name} settles ${key}: the row goes`);
    }
    if (![...region.inFlight.keys()].some((open) => keyName(open) === key)) region.unsettled.delete(key);
  }
}
