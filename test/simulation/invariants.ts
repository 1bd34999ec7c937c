import { type Conflict, hasSeen } from '@concord/conflict';
import type { Change } from '../../functions/apply/change.ts';
import { type History, idOf, keyName, rankOf, winnerOf, writeOf } from './history.ts';
import { type Position, slotOfKey } from './region.ts';
import { type Slot, stateOf } from './store.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

const named = (change: Change | undefined): string => (change === undefined ? 'nothing' : `v${idOf(change)}`);

/** I3: the state of a key never goes back, and keeps being one that was committed. */
export function checkStep(history: History, region: string, key: string, before: Slot, after: Slot): void {
  const [was, is] = [stateOf(before), stateOf(after)];
  if (was === undefined) return;
  if (is === undefined || rankOf(is, was) < 0)
    throw new Violation('I3', `${region} goes from ${named(was)} back to ${named(is)} of ${key}`);
  checkContent(history, region, is);
}

/** I6: a row that apply takes away was seen by what stands there now, or is in this region's log. */
export function checkOverwritten(region: string, isLogged: (row: Change) => boolean, { row }: Slot, after: Slot): void {
  const state = stateOf(after);
  if (row === undefined || state === undefined || row === after.row || hasSeen(state, row) || isLogged(row)) return;
  throw new Violation('I6', `${region} lost ${named(row)} to ${named(state)} and did not log it`);
}

/** A stored version is the one that was written, in every stamp and in its content. */
function checkContent(history: History, region: string, stored: Change): void {
  const { version } = writeOf(history, stored);
  const same =
    rankOf(stored, version) === 0 &&
    stored.kind === version.kind &&
    stored.writes === version.writes &&
    JSON.stringify(stored.vector) === JSON.stringify(version.vector);
  if (!same) throw new Violation('I1', `${region} holds ${named(stored)} with other stamps than it was written with`);
}

/** I6, none invented: a loser is no ancestor of its winner, by real parents, and is older. */
export function checkLabel(history: History, { loser, winner }: Conflict<Change>): void {
  const [lost, won] = [writeOf(history, loser), writeOf(history, winner)];
  if ((won.ancestors >> lost.id) & 1)
    throw new Violation('I6', `${named(loser)} is logged as lost to ${named(winner)}, which was written over it`);
  if (rankOf(winner, loser) <= 0) throw new Violation('I6', `${named(loser)} is logged as lost to an older version`);
}

/** I9: everything below the watermark was part of a committed batch. */
export function checkWatermark(region: string, topic: string, { watermark, committed }: Position): void {
  const below = 2 ** watermark - 1;
  if ((committed & below) !== below)
    throw new Violation('I9', `${region}'s watermark of ${topic} is ${watermark} and covers what was never committed`);
}

/** When all logs have drained: I1, I2, I7 for each key, I6 for its history. */
export function checkQuiescence(world: World): void {
  for (const key of world.partitions.keys()) {
    const winner = winnerOf(world.history, key);
    if (winner === undefined) continue;
    for (const region of world.regions) {
      const slot = slotOfKey(region, key);
      const state = stateOf(slot);
      if (state === undefined || idOf(state) !== winner.id)
        throw new Violation(
          'I2',
          `${region.name} ends with ${named(state)} of ${keyName(key)}, the maximum is v${winner.id}`,
        );
      if (winner.version.kind === 'tombstone' && slot.row !== undefined)
        throw new Violation('I7', `${keyName(key)} is dead and lives in ${region.name} as ${named(slot.row)}`);
      checkContent(world.history, region.name, state);
    }
    checkCoverage(world, key, winner.covers);
  }
}

/** I6, none missed: the winner's history and those of all logged losers, of all regions, hold every version. */
function checkCoverage({ history, regions }: World, key: number, winner: number): void {
  let covered = winner;
  for (const region of regions)
    for (const { loser } of region.conflicts.values()) covered |= writeOf(history, loser).covers;
  const missed = history.find((write) => write.key === key && !((covered >> write.id) & 1));
  if (missed !== undefined) throw new Violation('I6', `v${missed.id} was lost and no region has logged it`);
}

/**
 * I6 for a single database: what it was given is the winner, or was seen by what it was given and keeps (`hasSeen`, step by
 * step), or is in its log.
 */
export function checkOwnCoverage(given: readonly Change[], winner: Change, losers: readonly Change[]): void {
  const reached = [winner, ...losers];
  const open = new Set(given);
  for (const version of reached) {
    for (const other of open) {
      if (other.key !== version.key || (rankOf(other, version) !== 0 && !hasSeen(version, other))) continue;
      open.delete(other);
      reached.push(other);
    }
  }
  const [missed] = [...open].filter(({ key }) => key === winner.key);
  if (missed !== undefined)
    throw new Violation('I6', `${named(missed)} was lost by one database without a trace in it`);
}
