import type { Version } from '@concord/conflict';
import { addWrite, changeOf, keyName, MAX_WRITES, type Write } from './history.ts';
import { type Region, slotOfKey } from './region.ts';
import { type Stamped, stamped, written } from './stamp.ts';
import type { World } from './world.ts';

/** Room for the copies that a restarted connector publishes again. */
const MAX_RECORDS = 31;

/** The commit of a local write: into the table and, in commit order, into this region's log. */
function commit(world: World, region: Region, key: number, { version, ...ground }: Stamped): void {
  world.note?.(
    `${region.name} writes ${version.kind} ${version.stamp} of ${keyName(key)} ${JSON.stringify(version.vector)}`,
  );
  const write = addWrite(world.history, key, version, ground);
  region.slots.set(keyName(key), written(slotOfKey(region, key), changeOf(write)));
  publish(world, region, write);
  count(world, write, ground.parent);
  world.note?.(`  as v${write.id}${ground.parent ? ` over v${ground.parent.id}` : ''}`);
}

function publish({ partitions }: World, region: Region, write: Write): void {
  region.log[partitions[write.key] ?? 0]?.push(write);
}

function count({ counts, history }: World, { version, key, id }: Write, parent: Write | undefined): void {
  counts.writes += 1;
  if (version.kind === 'tombstone') counts.deletes += 1;
  else if (parent?.version.kind === 'tombstone') counts.reinserts += 1;
  if (history.some((other) => other.id !== id && other.key === key && other.version.stamp === version.stamp))
    counts.ties += 1;
}

/** A local insert or update (`row`) or delete. A key with an insert in flight makes others wait: nothing happens here. */
export function writeHere(world: World, region: Region, key: number, kind: Version['kind'], clock: number): void {
  if (region.inFlight.has(key) || world.history.length >= MAX_WRITES) return;
  if (kind === 'tombstone' && slotOfKey(region, key).row === undefined) return;
  commit(world, region, key, stamped(world.history, region.name, slotOfKey(region, key), kind, clock));
}

/** A local insert is stamped and stays open: nobody sees it, nobody can lock it. */
export function beginInsert(world: World, region: Region, key: number, clock: number): void {
  if (region.inFlight.has(key) || slotOfKey(region, key).row !== undefined) return;
  region.inFlight.set(key, stamped(world.history, region.name, slotOfKey(region, key), 'row', clock));
  world.note?.(`${region.name} begins an insert of ${keyName(key)}`);
}

export function endInsert(world: World, region: Region, key: number, outcome: 'commit' | 'rollback'): void {
  const open = region.inFlight.get(key);
  if (open === undefined) return;
  region.inFlight.delete(key);
  if (outcome === 'commit' && world.history.length < MAX_WRITES) commit(world, region, key, open);
  else world.note?.(`${region.name} rolls its insert of ${keyName(key)} back`);
}

/** A connector that restarts publishes the end of its log once more, under new offsets. */
export function republish(world: World, region: Region, last: number): void {
  for (const [partition, log] of region.log.entries()) {
    const again = log.slice(-last).slice(0, Math.max(0, MAX_RECORDS - log.length));
    if (again.length === 0) continue;
    log.push(...again);
    world.note?.(
      `${region.name} publishes ${again.map(({ id }) => `v${id}`).join(' ')} of partition ${partition} again`,
    );
  }
}
