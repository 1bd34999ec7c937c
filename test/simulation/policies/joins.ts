import { counterValue, decide, lift, type Merged, merge, type Version } from '@concord/conflict';
import { Violation } from '../violation.ts';
import { formatVersion } from './format.ts';
import { type Held, type History, type Image, type Item, joinedPast, newHeld } from './history.ts';
import { lostItems } from './losses.ts';
import { checkHeld } from './oracle.ts';
import { COLUMNS } from './rules.ts';

export type Joined = {
  readonly held: Held;
  /** What this join logs. */
  readonly lost: readonly Item[];
};

export type Joins = {
  /** Equal states are one object. */
  readonly keep: (held: Held) => Held;
  /** The real join of two states, compared with what their real histories say it must be. */
  readonly join: (stored: Held, incoming: Held) => Joined;
};

const same = (a: Version, b: Version): boolean => formatVersion(a) === formatVersion(b);

/** Joins of states over one history: each pair is joined, and checked, once. */
export function newJoins(history: History, keep: (held: Held) => Held): Joins {
  const known = new Map<Held, Map<Held, Joined>>();
  return {
    keep,
    join(stored, incoming) {
      const row = known.get(stored) ?? new Map<Held, Joined>();
      known.set(stored, row);
      const found = row.get(incoming) ?? joined(history, stored, incoming, keep);
      row.set(incoming, found);
      return found;
    },
  };
}

function joined(history: History, stored: Held, incoming: Held, keep: (held: Held) => Held): Joined {
  const merged = merge(stored.version, incoming.version);
  const { past, life } = joinedPast(history, stored, incoming);
  const held = keep(newHeld(merged.version, imageOf(merged, stored.image, incoming.image), past, life));
  checkHeld(history, held);
  checkAlgebra(merged, stored.version, incoming.version);
  const lost = merged.losers.flatMap((loser) =>
    loser.side === 'stored' ? lostItems(history, loser, stored, incoming) : lostItems(history, loser, incoming, stored),
  );
  return { held, lost };
}

/** The row as apply writes it: each column from the side that has it, a counter as the sum of its regions. */
function imageOf({ version, sideOf }: Merged, stored: Image, incoming: Image): Image {
  const { counters } = lift(version);
  const entries = COLUMNS.map((column) => {
    const counter = version.kind === 'row' ? counters[column] : undefined;
    const side = sideOf(column) === 'stored' ? stored : incoming;
    return [column, counter === undefined ? side[column] : counterValue(counter)];
  });
  return Object.fromEntries(entries);
}

/** I3, I4 and what `from` claims; on register versions the join is `decide`. */
function checkAlgebra({ version, from, losers }: Merged, a: Version, b: Version): void {
  const joinOf = (x: Version, y: Version): Version => merge(x, y).version;
  if (!same(joinOf(b, a), version))
    throw new Violation('I5', `not commutative: ${formatVersion(a)} | ${formatVersion(b)}`);
  for (const input of [a, b]) {
    if (!same(joinOf(input, version), version))
      throw new Violation('I3', `${formatVersion(version)} is not above ${formatVersion(input)}`);
    const again = merge(version, input);
    if (again.from !== 'stored' || again.applied || !same(again.version, version))
      throw new Violation('I4', `${formatVersion(input)} changes ${formatVersion(version)} once more`);
  }
  if (from !== 'both' && !same(version, from === 'stored' ? a : b))
    throw new Violation('state', `${formatVersion(version)} is said to be the ${from} one`);
  if (a.lattice !== undefined || b.lattice !== undefined) return;
  const decision = decide(a, b);
  const isConflict = decision.because === 'conflict';
  if (version !== (decision.outcome === 'apply' ? b : a) || losers.length !== Number(isConflict))
    throw new Violation('decide', `merge is not decide: ${formatVersion(a)} | ${formatVersion(b)}`);
}
