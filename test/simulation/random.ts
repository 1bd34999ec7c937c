/** Reproducible randomness: the same seed gives the same sequence on every machine. */
export type Random = {
  /** An integer from 0 to `limit` − 1. */
  readonly below: (limit: number) => number;
  /** An integer from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(items: readonly [T, ...T[]]) => T;
  readonly shuffled: <T>(items: readonly T[]) => T[];
};

/** Spreads neighbouring seeds apart (the finalizer of murmur3). */
export function mixed(seed: number, salt: number): number {
  let h = Math.imul(seed ^ salt, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Mulberry32: 2³² states, plenty for schedules of a few hundred draws. */
export function randomFrom(seed: number): Random {
  let state = mixed(seed, 0x9e3779b9);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)] ?? items[0],
    shuffled: (items) => shuffle([...items], below),
  };
}

function shuffle<T>(items: T[], below: (limit: number) => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
