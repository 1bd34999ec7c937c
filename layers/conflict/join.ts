import { type ConflictKind, decide } from './decide.ts';
import type { Version } from './version.ts';

/** A version that lost to a concurrent one; what the conflict log keeps. */
export type Conflict<V extends Version> = { readonly kind: ConflictKind; readonly loser: V; readonly winner: V };

/** The join of several versions of one row, with the conflicts that it settled. */
export type Joined<V extends Version> = { readonly winner: V; readonly conflicts: readonly Conflict<V>[] };

/**
 * Joins versions of one row in any order. Commutative, associative and idempotent in `winner`. Each version that the join
 * finds losing to one that had not seen it is logged; the union of all regions' logs is complete (a region's own is not: a
 * version may lose only where it met its rival).
 */
export function join<V extends Version>(versions: readonly [V, ...V[]]): Joined<V> {
  let winner = versions[0];
  const conflicts: Conflict<V>[] = [];
  for (const incoming of versions.slice(1)) {
    const decision = decide(winner, incoming);
    const stored = winner;
    if (decision.outcome === 'apply') winner = incoming;
    if (decision.because !== 'conflict') continue;
    const loser = decision.loser === 'stored' ? stored : incoming;
    conflicts.push({ kind: decision.kind, loser, winner });
  }
  return { winner, conflicts };
}
