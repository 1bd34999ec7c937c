import { type Lattice, lift, registerOf } from '@concord/conflict';
import { Violation } from '../violation.ts';
import {
  greatest,
  type Held,
  type History,
  holderOf,
  isCounted,
  isIn,
  membersOf,
  rankOf,
  type Write,
} from './history.ts';
import { COLUMNS } from './rules.ts';

/** Compares a state with what its real history says that it must be. */
export function checkHeld(history: History, held: Held): void {
  const { version } = held;
  const lattice = lift(version);
  const members = membersOf(history, held);
  const deletes = members.filter(({ op }) => op === 'delete');
  if (rankOf(lattice.incarnation, history[held.life] as Write) !== 0) wrong(held, 'another incarnation');
  if ((version.kind === 'tombstone') !== deletes.length > 0)
    throw new Violation('I7', `${deletes.length > 0 ? 'a dead row lives' : 'a living row is dead'}: ${held.name}`);
  checkHead(
    held,
    greatest(deletes.length > 0 ? deletes : members.filter(({ columns }) => columns.length > 0)) as Write,
  );
  checkVector(history, held);
  if (deletes.length > 0) checkCounters(held, lattice, seenBy(deletes, members));
  else checkRow(history, held, lattice, members);
}

function wrong({ name }: Held, what: string): never {
  throw new Violation('state', `${what}: ${name}`);
}

function checkHead(held: Held, head: Write): void {
  const { version } = held;
  if (rankOf(version, head) !== 0) wrong(held, `the head should be v${head.id}`);
  if (version.writes !== head.held.version.writes) wrong(held, `it should have the writes of v${head.id}`);
  if (version.lattice !== undefined && head.rule.lattice && version.lattice.txId !== String(head.id))
    wrong(held, `it should have the transaction of v${head.id}`);
}

/** Per region the stamp of its last write in the history, and nothing else. */
function checkVector(history: History, held: Held): void {
  const expected = lastStamps(history.filter((write) => isIn(held.past, write) && write.region !== ''));
  const entries = Object.entries(held.version.vector);
  if (entries.length !== expected.size || entries.some(([region, stamp]) => expected.get(region) !== stamp))
    wrong(held, `the vector should be ${JSON.stringify(Object.fromEntries(expected))}`);
}

function lastStamps(writes: readonly Write[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const { region, stamp } of writes) last.set(region, Math.max(last.get(region) ?? 0, stamp));
  return last;
}

/** Those of a life's writes that its deletes have seen. */
export function seenBy(deletes: readonly Write[], members: readonly Write[]): Write[] {
  const seen = deletes.reduce((past, { held }) => past | held.past, 0);
  return members.filter((write) => isIn(seen, write));
}

function checkRow(history: History, held: Held, lattice: Lattice, members: readonly Write[]): void {
  const counted = isCounted(history, held);
  for (const column of COLUMNS) {
    if (column === 'n' && counted) continue;
    const holder = holderOf(history, held, column);
    if (rankOf(registerOf(lattice, column), holder) !== 0)
      wrong(held, `${column} should be registered as v${holder.id}'s`);
    if (held.image[column] !== holder.held.image[column]) wrong(held, `${column} should be v${holder.id}'s`);
  }
  if (!counted) return;
  const total = members.reduce((sum, { delta }) => sum + delta, Number(history[held.life]?.held.image.n));
  if (Number(held.image.n) !== total) throw new Violation('I11', `n should be ${total}: ${held.name}`);
  checkCounters(held, lattice, members);
}

/** By region the stamp of its last increment; beside them only what the life began with. */
function checkCounters(held: Held, { counters, incarnation }: Lattice, members: readonly Write[]): void {
  const counter = counters.n ?? {};
  const expected = lastStamps(members.filter(({ delta }) => delta !== 0));
  for (const [region, stamp] of expected)
    if (counter[region]?.[0] !== stamp) wrong(held, `the counter of ${region} should be at ${stamp}`);
  for (const region of Object.keys(counter))
    if (!expected.has(region) && region !== incarnation.region) wrong(held, `nobody counted in ${region}`);
}
