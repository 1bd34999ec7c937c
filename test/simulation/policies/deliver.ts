import { decide } from '@concord/conflict';
import type { Held, Item, Write } from './history.ts';
import { withItems } from './losses.ts';
import { apply, bury, type Effect, stateOf } from './slot.ts';
import type { Region, World } from './world.ts';
import { end } from './write.ts';

/** One batch in one transaction: joined by itself, then with what is there. What the apply function does not know is parked. */
export function give(world: World, region: Region, batch: readonly Write[], crash = false): void {
  const isKnown = ({ held }: Write): boolean => region.resolves || held.version.lattice === undefined;
  const known = batch.filter(isKnown).map(({ held }) => held);
  world.note?.(`${region.name} is given ${batch.map(({ id }) => `v${id}`).join(', ')}${crash ? ' and crashes' : ''}`);
  const items: Item[] = [];
  const incoming = known.length === 0 ? undefined : known.reduce((a, b) => collected(world.joins.join(a, b), items));
  if (crash) {
    if (incoming !== undefined) applied(world, region, incoming);
    world.counts.crashes += 1;
    return;
  }
  if (incoming?.version.kind === 'row') end(world, region, { do: 'commit', clock: 0, touched: false });
  if (incoming !== undefined) take(world, region, applied(world, region, incoming), items);
  for (const { id } of batch) region.given |= 1 << id;
  park(
    world,
    region,
    batch.filter((write) => !isKnown(write)),
  );
}

function collected({ held, lost }: { readonly held: Held; readonly lost: readonly Item[] }, items: Item[]): Held {
  items.push(...lost);
  return held;
}

/** The old apply function takes everything for versions of register tables. */
function applied({ joins }: World, { slot, name, resolves }: Region, incoming: Held): Effect {
  const state = stateOf(slot);
  if (resolves || state?.version.lattice === undefined) return apply(slot, incoming, name, joins);
  const isNewer = decide(state.version, incoming.version).outcome === 'apply';
  if (!isNewer) return { slot, lost: [] };
  const { tombstone, floor } = slot;
  const isRow = incoming.version.kind === 'row';
  return { slot: isRow ? { row: incoming, tombstone, floor } : { tombstone: incoming, floor }, lost: [] };
}

function take(world: World, region: Region, { slot, lost }: Effect, items: readonly Item[] = []): void {
  const { counts, note } = world;
  const logged = withItems(world.logged, [...items, ...lost]);
  if (logged !== world.logged) counts.lost += 1;
  world.logged = logged;
  if (slot.floor !== region.slot.floor) counts.raised += 1;
  if (slot !== region.slot)
    note?.(`${region.name} holds ${stateOf(slot)?.name}${slot.floor > 0 ? `, floor ${slot.floor}` : ''}`);
  region.slot = slot;
}

function park(world: World, region: Region, writes: readonly Write[]): void {
  region.parked.push(...writes);
  world.everParked += writes.length;
}

/** The short transaction after a batch. */
export function settle(world: World, region: Region): void {
  const effect = bury(region.slot, region.name, world.joins);
  if (effect.slot === region.slot) return;
  world.counts.buried += 1;
  take(world, region, effect);
}

/** The apply function is replaced by one that knows lattices, and what was parked goes through it. */
export function upgrade(world: World, region: Region): void {
  if (region.resolves) return;
  region.resolves = true;
  const due = region.parked;
  region.parked = [];
  world.note?.(`${region.name} has the new apply function`);
  for (const write of due) give(world, region, [write]);
}
