import { isDeepStrictEqual } from 'node:util';
import { resolverNeeded } from '@concord/conflict';
import { isLattice, type TableEntry, type Topology } from '@concord/events';
import type { Db } from '@concord/runtime';
import type { Rule } from './triggers/spec.ts';

/** A table whose new policy is not in force here yet: the apply functions of these regions do not know its versions. */
export type Pending = { readonly table: string; readonly waitsFor: readonly string[] };

/** What an entry makes triggers write, always in one order, so that it can be compared and stored. */
export const ruleOf = (entry: Rule): Rule => ({
  policy: entry.policy,
  groups: entry.groups,
  counters: entry.counters,
  delete: entry.delete,
});

const FIRST_RULE: Rule = { policy: 'lww', groups: [], counters: [], delete: 'lww' };

/** The rule that an enrolled table's triggers follow; releases without policies stored none. */
export const storedRule = (options: Partial<Rule>): Rule => ruleOf({ ...FIRST_RULE, ...options });

/** The rule to follow from now on, and who has to be waited for before another one. */
export type Decided = { readonly rule: Rule; readonly wanted: Rule; readonly waitsFor: readonly string[] };

/**
 * Resolvers first, then triggers. A version that a region's apply function does not know would be parked there, so a table
 * goes to, from or between lattice policies only when every region has registered a function that joins them. `former` is undefined for
 * a table that is enrolled now: it has no versions yet. Functions must never be rolled back behind such a change.
 */
export async function decideRule(
  db: Db,
  entry: TableEntry,
  former: Rule | undefined,
  topology: Topology,
): Promise<Decided> {
  const wanted = ruleOf(entry);
  if (former === undefined || isDeepStrictEqual(former, wanted)) return { rule: wanted, wanted, waitsFor: [] };
  const needed = resolverNeeded(isLattice(former) || isLattice(wanted));
  const waitsFor = needed === 1 ? [] : await readBehind(db, topology, needed);
  return { rule: waitsFor.length === 0 ? wanted : former, wanted, waitsFor };
}

/** Regions that have not registered a function of this version: this one in its database, others by their heartbeats. */
async function readBehind(db: Db, { regions }: Topology, needed: number): Promise<string[]> {
  if (regions.length === 1) return [];
  const rows = await db.unsafe<{ region: string; resolver: number }[]>(
    'select region, resolver from concord.peer union all select name, resolver from concord.region',
  );
  const known = new Map(rows.map((row) => [row.region, row.resolver]));
  return regions.map(({ name }) => name).filter((name) => (known.get(name) ?? 0) < needed);
}
