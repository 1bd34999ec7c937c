import { columnsOf, type Loser } from '@concord/conflict';
import { Violation } from '../violation.ts';
import {
  BITS,
  greatest,
  type Held,
  type History,
  holderOf,
  type Item,
  isDead,
  isIn,
  membersOf,
  type Past,
  rankOf,
  WHOLE,
  type Write,
} from './history.ts';
import { seenBy } from './oracle.ts';
import { COLUMNS, type Column } from './rules.ts';

const bitsOf = (columns: readonly Column[]): number => columns.reduce((bits, column) => bits | BITS[column], 0);

const isDelete = ({ op }: Write): boolean => op === 'delete';

/** All that a write did. */
const ownBits = ({ op, columns, delta }: Write): number =>
  op === 'delete' ? BITS.dead : bitsOf(columns) | (delta === 0 ? 0 : BITS.increment);

/** Whose values, in these columns, or whose delete the user of a state sees. */
export function visibleItems(history: History, past: Past, columns: readonly Column[] = COLUMNS): Item[] {
  if (isDead(history, past)) return [[(greatest(membersOf(history, past).filter(isDelete)) as Write).id, BITS.dead]];
  return columns.map((column) => [holderOf(history, past, column).id, BITS[column]]);
}

/** Whose increments. */
export const countedItems = (history: History, past: Past): Item[] =>
  isDead(history, past) ? [] : membersOf(history, past).map(({ id }) => [id, BITS.increment]);

/** What a line of the log stands for. I6, none invented: it is not in the history of what overruled it. */
export function lostItems(history: History, { dot, part, amount }: Loser, loser: Held, winner: Held): Item[] {
  const write = history.find((candidate) => rankOf(candidate, dot) === 0);
  if (write === undefined) throw new Violation('I6', `nobody wrote ${dot.stamp}@${dot.region}, which is logged`);
  if (isIn(winner.past, write))
    throw new Violation('I6', `v${write.id} (${part}) is logged as lost to ${winner.name}, which was written over it`);
  if (part === '') return [[write.id, WHOLE]];
  if (!part.includes('+')) return [[write.id, bitsOf(columnsOf(part) as Column[])]];
  const lost = membersOf(history, loser).filter(({ region, stamp }) => region === dot.region && stamp <= dot.stamp);
  checkAmount(history, lost, amount, loser, winner);
  return lost.map(({ id, held }) => [id, id === held.life ? BITS.n : BITS.increment]);
}

/** I11: the amount is what the region added up to there, without what the winner had seen of it. */
function checkAmount(
  history: History,
  lost: readonly Write[],
  amount: string | undefined,
  loser: Held,
  winner: Held,
): void {
  const isSame = loser.life === winner.life;
  const members = membersOf(history, winner);
  const seen = isSame ? seenBy(members.filter(isDelete), members) : history.filter((write) => isIn(winner.past, write));
  if (amount === undefined) {
    const begin = history[loser.life] as Write;
    const isUncounted = winner.version.lattice?.counters.n === undefined;
    const isUnknown = isSame ? isUncounted : (winner.version.vector[begin.region] ?? 0) >= begin.stamp;
    if (!isUnknown) throw new Violation('I11', `what is lost of ${loser.name} is known and not logged`);
    return;
  }
  const sum = lost
    .filter((write) => !seen.includes(write))
    .reduce((total, { id, held, delta }) => total + (id === held.life ? Number(held.image.n) : delta), 0);
  if (Number(amount) !== sum) throw new Violation('I11', `${amount} is logged as lost of ${loser.name}, it was ${sum}`);
}

/** Of each write, what any region has logged as lost. */
export type Logged = readonly number[];

export function withItems(logged: Logged, items: readonly Item[]): Logged {
  if (items.every(([id, bits]) => ((logged[id] ?? 0) & bits) === bits)) return logged;
  const next = [...logged];
  for (const [id, bits] of items) next[id] = (next[id] ?? 0) | bits;
  return next;
}

/** I6, none missed: everything that anybody wrote is there, was replaced by somebody who saw it, or is in some log. */
export function checkCoverage(history: History, state: Held, logged: Logged): void {
  const covered = history.map(({ id }) => logged[id] ?? 0);
  const replaced = history.flatMap(({ over }) => over);
  for (const [id, bits] of [...visibleItems(history, state), ...countedItems(history, state), ...replaced])
    covered[id] = (covered[id] ?? 0) | bits;
  for (const write of history) {
    const missed = ownBits(write) & ~(covered[write.id] ?? 0);
    if (missed !== 0)
      throw new Violation(
        missed === BITS.increment ? 'I11' : 'I6',
        `v${write.id} (${write.op}) was lost and no region has logged it`,
      );
  }
}
