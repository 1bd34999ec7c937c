import { compare } from './order.ts';
import { hasSeen, type Version } from './version.ts';

/** Names of PostgreSQL's own conflict statistics (pg_stat_subscription_stats, PostgreSQL 18). */
export type ConflictKind =
  | 'insert_exists'
  | 'update_origin_differs'
  | 'update_deleted'
  | 'delete_origin_differs'
  | 'multiple_unique_conflicts';

/**
 * What becomes of an incoming version. The order alone decides (`apply` or `superseded`); the vectors only label, so that
 * no losing concurrent version goes unlogged.
 */
export type Decision =
  | { readonly outcome: 'apply'; readonly because: 'first' | 'successor' }
  | { readonly outcome: 'apply'; readonly because: 'conflict'; readonly kind: ConflictKind; readonly loser: 'stored' }
  | { readonly outcome: 'superseded'; readonly because: 'duplicate' | 'stale' }
  | {
      readonly outcome: 'superseded';
      readonly because: 'conflict';
      readonly kind: ConflictKind;
      readonly loser: 'incoming';
    };

/** The kind of a conflict, seen from the version that arrived second; two first writes of one key are two inserts. */
export function conflictKind(stored: Version, incoming: Version): ConflictKind {
  if (incoming.kind === 'tombstone') return 'delete_origin_differs';
  if (stored.kind === 'tombstone') return 'update_deleted';
  return incoming.writes === 1 && stored.writes === 1 ? 'insert_exists' : 'update_origin_differs';
}

/**
 * Joins an incoming version with the stored one (row or tombstone, whichever is greater), for register tables.
 *
 * - incoming newer: *successor* iff its vector contains the stored version, otherwise a conflict that the stored one loses;
 * - incoming older or equal: *stale* or *duplicate* iff the stored vector contains it, otherwise a conflict that it loses.
 *
 * Checked exhaustively by the simulator in `test/simulation`: no divergence, no conflict missed, none invented.
 */
export function decide(stored: Version | undefined, incoming: Version): Decision {
  if (stored === undefined) return { outcome: 'apply', because: 'first' };
  const order = compare(incoming, stored);
  if (order === 0) return { outcome: 'superseded', because: 'duplicate' };
  if (order > 0) {
    if (hasSeen(incoming, stored)) return { outcome: 'apply', because: 'successor' };
    return { outcome: 'apply', because: 'conflict', kind: conflictKind(stored, incoming), loser: 'stored' };
  }
  if (hasSeen(stored, incoming)) return { outcome: 'superseded', because: 'stale' };
  return { outcome: 'superseded', because: 'conflict', kind: conflictKind(stored, incoming), loser: 'incoming' };
}
