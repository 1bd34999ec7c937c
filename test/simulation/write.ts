import { nextVersion, type Version } from '@concord/conflict';
import { addWrite, changeOf, keyName, MAX_WRITES, type Write, writeOf } from './history.ts';
import { type Region, type InFlight as Stamped, slotOfKey } from './region.ts';
import { type Slot, stateOf } from './store.ts';
import type { World } from './world.ts';

/** Room for the copies that a restarted connector publishes again. */
const MAX_RECORDS = 31;

/** What the triggers read: an insert looks the tombstone up, an update does not, a delete meets it when it writes its own. */
function replacedBy(kind: Version['kind'], { row, tombstone }: Slot): Pick<Slot, 'row' | 'tombstone'> {
  if (kind === 'row' && row !== undefined) return { row };
  return { ...(row && { row }), ...(tombstone && { tombstone }) };
}

function stamp({ history }: World, region: Region, key: number, kind: Version['kind'], clock: number): Stamped {
  const found = replacedBy(kind, slotOfKey(region, key));
  const { row, tombstone } = found;
  const version = nextVersion(kind, { region: region.name, clock, floor: 0, row, tombstone });
  const parent = stateOf(found);
  const beneath = parent === row ? tombstone : row;
  return {
    version,
    ...(parent && { parent: writeOf(history, parent) }),
    ...(beneath && { beneath: writeOf(history, beneath) }),
  };
}

/** The commit of a local write: into the table and, in commit order, into this region's log. */
function commit(world: World, region: Region, key: number, { version, ...ground }: Stamped): void {
  const write = addWrite(world.history, key, version, ground);
  const { tombstone } = slotOfKey(region, key);
  const change = changeOf(write);
  region.slots.set(
    keyName(key),
    version.kind === 'row' ? { row: change, ...(tombstone && { tombstone }) } : { tombstone: change },
  );
  publish(world, region, write);
  count(world, write, ground.parent);
  world.note?.(`${region.name} commits ${nameOf(write)}${ground.parent ? ` over v${ground.parent.id}` : ''}`);
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

/** `v3 = tombstone 17@west of k0 {"west":17}`; stamps as in the schedule, without what they share. */
export const nameOf = ({ id, key, version }: Write): string => {
  const { kind, stamp: at, region, vector } = version;
  return `v${id} = ${kind} ${at}@${region} of ${keyName(key)} ${JSON.stringify(vector)}`;
};

/** A local insert or update (`row`) or delete. A key with an insert in flight makes others wait: nothing happens here. */
export function writeHere(world: World, region: Region, key: number, kind: Version['kind'], clock: number): void {
  if (region.inFlight.has(key) || world.history.length >= MAX_WRITES) return;
  if (kind === 'tombstone' && slotOfKey(region, key).row === undefined) return;
  commit(world, region, key, stamp(world, region, key, kind, clock));
}

/** A local insert is stamped and stays open: nobody sees it, nobody can lock it. */
export function beginInsert(world: World, region: Region, key: number, clock: number): void {
  if (region.inFlight.has(key) || slotOfKey(region, key).row !== undefined) return;
  region.inFlight.set(key, stamp(world, region, key, 'row', clock));
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
