import type { Change } from '../../functions/apply/change.ts';
import { applyBatch } from './apply.ts';
import { changeOf, idOf, type Write } from './history.ts';
import { recordAt } from './record.ts';
import type { Region } from './region.ts';
import { slotOf } from './region.ts';
import type { Pick, Poll, Slice } from './schedule.ts';
import { stage } from './store.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

const names = (changes: readonly Change[]): string =>
  changes
    .map(
      (change) =>
        `v${idOf(change)}${change.record.topic && ` (${change.record.topic.slice(4)} ${change.record.partition}@${change.record.offset})`}`,
    )
    .join(', ');

/** The event source delivers from where it stands; it moves on only when it gets an answer. */
export function poll(world: World, region: Region, step: Poll): void {
  const read = step.slices.map((slice) => ({ slice, changes: readSlice(world, region, slice) }));
  const records = read.flatMap(({ changes }) => changes);
  if (records.length === 0) return;
  world.note?.(`${region.name} is given ${names(records)}: ${step.fate}`);
  if (step.fate === 'crash') {
    world.counts.crashes += 1;
    stage((key) => slotOf(region, key), records);
    return;
  }
  const parked = step.park === null ? undefined : records[step.park];
  if (parked !== undefined) parkedNote(world, region, parked);
  applyBatch(world, region, {
    changes: records.filter((change) => change !== parked),
    parked: parked === undefined ? [] : [parked],
    watermarked: true,
  });
  if (step.fate === 'unacknowledged') return;
  for (const { slice, changes } of read) {
    const position = region.positions[slice.source]?.[slice.partition];
    if (position !== undefined) position.consumed += changes.length;
  }
}

function parkedNote({ counts, note }: World, region: Region, change: Change): void {
  counts.parked += 1;
  note?.(`${region.name} parks v${idOf(change)}`);
}

function readSlice({ regions }: World, region: Region, { source, partition, max }: Slice): Change[] {
  const [from, position] = [regions[source], region.positions[source]?.[partition]];
  if (from === undefined || position === undefined || from === region || from.cut || region.cut) return [];
  const changes: Change[] = [];
  for (let offset = position.consumed; offset < position.consumed + max; offset++) {
    const change = recordAt(from, partition, offset);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/** Any records that were delivered before, in any order. I4: they change nothing. */
export function replay(world: World, region: Region, picks: readonly Pick[]): void {
  const changes = new Map<string, Change>();
  for (const { source, partition, at } of picks) {
    const [from, position] = [world.regions[source], region.positions[source]?.[partition]];
    if (from === undefined || position === undefined || from === region) continue;
    const offset = Math.floor(at * position.consumed);
    const change = offset < position.consumed ? recordAt(from, partition, offset) : undefined;
    if (change !== undefined) changes.set(`${source} ${partition} ${offset}`, change);
  }
  const batch = [...changes.values()];
  if (batch.length === 0) return;
  world.counts.replays += 1;
  world.note?.(`${region.name} is given again ${names(batch)}`);
  const parked = new Set(region.parked.map(idOf));
  const { applied } = applyBatch(world, region, { changes: batch, parked: [], watermarked: true });
  if (applied > 0 && !batch.some((change) => parked.has(idOf(change))))
    throw new Violation('I4', `a replay wrote ${applied} rows in ${region.name}`);
}

/** Repair: any versions of any region, also this one's own, in one batch without a watermark. */
export function repair(world: World, region: Region, writes: readonly number[]): void {
  const { history } = world;
  if (history.length === 0) return;
  const changes = writes.map((write) => changeOf(history[write % history.length] as Write));
  world.note?.(`${region.name} is repaired with ${names(changes)}`);
  applyBatch(world, region, { changes, parked: [], watermarked: false });
}

/** Parked records go through the same path, each alone. */
export function retryParked(world: World, region: Region): void {
  const due = region.parked;
  region.parked = [];
  for (const change of due) {
    world.note?.(`${region.name} retries v${idOf(change)}`);
    applyBatch(world, region, { changes: [change], parked: [], watermarked: false });
  }
}

/** After a restart the consumer starts at the watermarks of the database: what they cover must be there. */
export function resume({ note }: World, region: Region): void {
  for (const position of region.positions.flat()) position.consumed = position.watermark;
  note?.(`${region.name} resumes at its watermarks`);
}
