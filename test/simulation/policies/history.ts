import type { Ranked, Version } from '@concord/conflict';
import { formatVersion } from './format.ts';
import type { Column, Rule } from './rules.ts';

/** What a write does: edits of a column or of both, an increment of `n`, an edit with an increment. */
export type Op = 'insert' | 'a' | 'b' | 'ab' | 'n' | 'an' | 'delete';

export type Image = Readonly<Record<Column, string>>;

/** A version as a database holds it, with what the checks know of it. */
export type Held = {
  readonly version: Version;
  readonly image: Image;
  /** Bit i: write i is in its real history. This is the oracle; vectors, registers and counters are on trial. */
  readonly past: number;
  /** The write that began this life. */
  readonly life: number;
  /** Equal for equal states. */
  readonly name: string;
};

/** What can be lost of a write: the value of a column, a delete, an increment. */
export const BITS = { a: 1, b: 2, n: 4, dead: 8, increment: 16 } as const;
/** All that is lost with a whole version or its register of all columns; increments are logged by themselves. */
export const WHOLE = BITS.a | BITS.b | BITS.n | BITS.dead;

/** Some of what a write did. */
export type Item = readonly [write: number, bits: number];

/** Stamp and region are its own, also of a pure increment, which leaves the row's alone. */
export type Write = Ranked & {
  readonly id: number;
  readonly op: Op;
  readonly rule: Rule;
  readonly held: Held;
  /** Columns whose value it set. */
  readonly columns: readonly Column[];
  /** What it added to `n`, where `n` is counted. */
  readonly delta: number;
  /** What its user saw and replaced: nobody would miss it. */
  readonly over: readonly Item[];
};

export type History = readonly Write[];

/** All writes of one schedule: a set of writes is a bit mask. */
export const MAX_WRITES = 31;

export const newHeld = (version: Version, image: Image, past: number, life: number): Held => ({
  version,
  image,
  past,
  life,
  name: `${formatVersion(version)} ${image.a} ${image.b} ${image.n} ${past} ${life}`,
});

/** The order once more, by itself: a bug in the core's must not hide itself here. */
export function rankOf(a: Ranked, b: Ranked): number {
  if (a.stamp !== b.stamp) return a.stamp > b.stamp ? 1 : -1;
  return Buffer.compare(Buffer.from(a.region), Buffer.from(b.region));
}

/** A set of writes in which one life goes on: a state, as far as the oracle is concerned. */
export type Past = Pick<Held, 'past' | 'life'>;

export const isIn = (past: number, { id }: Write): boolean => ((past >> id) & 1) === 1;

/** The writes of a state's life. */
export const membersOf = (history: History, { past, life }: Past): Write[] =>
  history.filter((write) => isIn(past, write) && write.held.life === life);

export const greatest = (writes: readonly Write[]): Write | undefined =>
  writes.reduce<Write | undefined>(
    (best, write) => (best === undefined || rankOf(write, best) > 0 ? write : best),
    undefined,
  );

export const isDead = (history: History, past: Past): boolean =>
  membersOf(history, past).some(({ op }) => op === 'delete');

/** Is `n` counted in this life? In a lifted row's since anybody counted. */
export const isCounted = (history: History, past: Past): boolean =>
  membersOf(history, past).some(({ rule }) => rule.lattice && rule.counted);

/** Whose value a column has: its greatest write in this life. A counted column's base began with the life. */
export function holderOf(history: History, past: Past, column: Column): Write {
  const isBase = column === 'n' && isCounted(history, past);
  const writers = membersOf(history, past).filter(({ id, columns }) =>
    isBase ? id === past.life : columns.includes(column),
  );
  return greatest(writers) as Write;
}

/** Which of two states should win wholly: the later life; in one life the dead one; 0 if they are joined. */
export function rankOfLives(history: History, a: Past, b: Past): number {
  if (a.life !== b.life) return rankOf(history[a.life] as Write, history[b.life] as Write);
  return Number(isDead(history, a)) - Number(isDead(history, b));
}

/** The history that the join of two states should have. */
export function joinedPast(history: History, a: Past, b: Past): Past {
  if (a.life === b.life) return { past: a.past | b.past, life: a.life };
  return rankOfLives(history, a, b) > 0 ? a : b;
}
