import type { Change } from '../../functions/apply/change.ts';
import { applyBatch, settle } from './apply.ts';
import { poll, retryParked } from './delivery.ts';
import { changeOf, idOf, winnerOf } from './history.ts';
import { checkOwnCoverage, checkQuiescence } from './invariants.ts';
import { type Random, randomFrom } from './random.ts';
import type { Region } from './region.ts';
import { EMPTY_SLOT, type Slot, stage, stateOf } from './store.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';
import { endInsert } from './write.ts';

/** After the last step: drain, check, replay everything, and let a region that knows nothing read the logs in any order. */
export function finish(world: World, seed: number): void {
  const random = randomFrom(~seed);
  drain(world, random);
  checkQuiescence(world);
  replayAll(world, random);
  checkQuiescence(world);
  joinLate(world, random);
}

function drain(world: World, random: Random): void {
  for (const region of world.regions) {
    region.cut = false;
    for (const key of [...region.inFlight.keys()]) endInsert(world, region, key, 'commit');
  }
  for (const region of random.shuffled(world.regions)) {
    while (lags(world, region))
      poll(world, region, {
        do: 'poll',
        region: region.index,
        slices: slices(world, region, random),
        fate: 'commit',
        park: null,
      });
    retryParked(world, region);
    settle(world, region);
    if (region.unsettled.size > 0) throw new Violation('I7', `${region.name} still has unsettled keys`);
  }
}

const lags = ({ regions }: World, region: Region): boolean =>
  regions.some((source) =>
    source.log.some(
      (log, partition) =>
        source !== region && (region.positions[source.index]?.[partition]?.consumed ?? 0) < log.length,
    ),
  );

const slices = ({ regions }: World, region: Region, random: Random) =>
  random
    .shuffled(regions.filter((source) => source !== region))
    .flatMap((source) =>
      source.log.map((_, partition) => ({ source: source.index, partition, max: random.between(1, 5) })),
    );

/** I4: everything once more, to everyone, in any order and any batches: no row is written. */
function replayAll(world: World, random: Random): void {
  for (const region of world.regions) {
    const all = random.shuffled(world.history).map((write) => changeOf(write));
    for (const changes of batches(all, random)) {
      const { applied } = applyBatch(world, region, { changes, parked: [], watermarked: false });
      if (applied > 0) throw new Violation('I4', `the replay of everything wrote ${applied} rows in ${region.name}`);
    }
  }
}

function batches(changes: readonly Change[], random: Random): Change[][] {
  const made: Change[][] = [];
  for (let at = 0; at < changes.length; ) {
    const size = random.between(1, 6);
    made.push(changes.slice(at, at + size));
    at += size;
  }
  return made;
}

/** I5: an empty database that reads everything in any order, some of it twice, ends with the same state. */
function joinLate({ history, note }: World, random: Random): void {
  const slots = new Map<string, Slot>();
  const losers: Change[] = [];
  const twice = history.filter(() => random.chance(0.3));
  const given = random.shuffled([...history, ...twice]).map((write) => changeOf(write));
  note?.(`late reads ${given.map((change) => `v${idOf(change)}`).join(' ')}`);
  for (const batch of batches(given, random)) {
    const staged = stage((key) => slots.get(key) ?? EMPTY_SLOT, batch);
    for (const [key, slot] of staged.slots) slots.set(key, slot);
    losers.push(...staged.conflicts.map(({ loser }) => loser));
  }
  for (const slot of slots.values()) {
    const state = stateOf(slot) as Change;
    const key = history[idOf(state)]?.key ?? 0;
    if (idOf(state) !== winnerOf(history, key)?.id)
      throw new Violation('I5', `a late region ends with v${idOf(state)}`);
    checkOwnCoverage(given, state, losers);
  }
}
