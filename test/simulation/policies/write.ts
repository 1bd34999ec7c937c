import { MAX_WRITES, type Op, type Write } from './history.ts';
import { writeOf } from './local.ts';
import type { EndStep, OpenStep, WriteStep } from './schedule.ts';
import { stateOf } from './slot.ts';
import { NOBODY, type Region, type World } from './world.ts';

/** A step of one region that no row waits for. What makes no sense here does nothing. */
export function writeHere(world: World, region: Region, { op, clock, touched }: WriteStep): void {
  const { row } = region.slot;
  if (region.open !== undefined || world.history.length >= MAX_WRITES || (op === 'delete' && row === undefined)) return;
  const meant = row === undefined ? 'insert' : op === 'insert' ? 'ab' : op;
  commit(world, region, written(world, region, meant, clock, touched && meant !== 'insert'));
}

const written = (
  { history }: World,
  { slot, name, rule, bonus }: Region,
  op: Op,
  clock: number,
  touched: boolean,
): Write => writeOf(history, slot, op, { region: name, rule, clock: clock + bonus }, touched);

function commit(world: World, region: Region, write: Write): void {
  const { history, joins, note } = world;
  const held = joins.keep(write.held);
  count(world, region, write);
  history[write.id] = { ...write, held };
  region.given |= 1 << write.id;
  const { tombstone, floor } = region.slot;
  region.slot = write.op === 'delete' ? { tombstone: held, floor } : { row: held, tombstone, floor };
  note?.(`${region.name} commits v${write.id}: ${write.op} at ${write.stamp}: ${held.name}`);
}

function count({ counts, history }: World, { slot }: Region, { id, op, delta, stamp }: Write): void {
  counts.writes += 1;
  if (op === 'delete') counts.deletes += 1;
  if (op === 'insert' && stateOf(slot)?.version.kind === 'tombstone') counts.reinserts += 1;
  if (delta !== 0) counts.increments += 1;
  if (history.some((other) => other.stamp === stamp && other.id !== id)) counts.ties += 1;
}

/** An insert is stamped and stays open: nobody sees it, nobody can lock it. */
export function begin(world: World, region: Region, { clock }: OpenStep): void {
  if (region.open !== undefined || region.slot.row !== undefined || world.history.length >= MAX_WRITES) return;
  region.open = written(world, region, 'insert', clock, false);
  world.history.push(region.open);
  world.note?.(`${region.name} begins v${region.open.id}, an insert at ${region.open.stamp}`);
}

/** Its end. `touched`: its trigger looks again, and if a tombstone has come the row is stamped once more. */
export function end(world: World, region: Region, { do: how, clock, touched }: Omit<EndStep, 'region'>): void {
  const { open } = region;
  region.open = undefined;
  if (open === undefined) return;
  if (how === 'rollback') {
    world.history[open.id] = { ...open, region: NOBODY, stamp: -1, op: 'n', columns: [], delta: 0, over: [] };
    return;
  }
  commit(world, region, open);
  if (stateOf(region.slot) === region.slot.row) return;
  world.counts.beneath += 1;
  if (touched && world.history.length < MAX_WRITES) commit(world, region, written(world, region, 'a', clock, true));
}
