import type { Db, TransactionSql } from '@concord/runtime';
import type { Refusal } from './change.ts';
import { type Group, splitRefused } from './collapse.ts';
import { writeOverCorrupt } from './corrupt.ts';
import { heldRows } from './held-rows.ts';
import { Overtaken } from './overtaken.ts';
import { type Placed, placeTable } from './place.ts';
import type { Plan } from './plan.ts';
import type { ReasonCode } from './reasons.ts';
import { meaningOf } from './sqlstate.ts';
import { type Written, writeTable } from './write-table.ts';

const NOTHING: Isolated = { superseded: [], held: [], conflicts: 0, refused: [] };

export type Isolated = Placed & { readonly refused: readonly Refusal<ReasonCode>[] };

/**
 * As `writeTable`, but a row that the database refuses is found by halving, each half under a savepoint, and comes back as
 * refused; all others are written. Of a refused group the next best version is tried in its place, or each that it was joined from.
 */
export async function isolateTable(tx: TransactionSql, plan: Plan, groups: readonly Group[]): Promise<Isolated> {
  if (groups.length === 0) return NOTHING;
  try {
    const written = await write(tx, plan, groups);
    return { ...written, refused: [] };
  } catch (error) {
    const meaning = meaningOf(error);
    if (meaning.kind === 'again' || meaning.kind === 'away') throw error;
    const reason = meaning.kind === 'row' ? meaning.reason : 'refused';
    if (reason === 'locked') return withoutHeld(tx, plan, groups, error as Error);
    const [only] = groups;
    if (groups.length === 1 && only !== undefined) return withoutWinner(tx, plan, only, reason, error as Error);
    return inHalves(tx, plan, groups);
  }
}

/** A local transaction may come between reading and writing; each time somebody has committed. */
const MAX_ROUNDS = 10;

/** Where unique values are at stake, each row finds its place among all others; else rows are written as they come. */
async function write(tx: TransactionSql, plan: Plan, groups: readonly Group[]): Promise<Placed> {
  if (plan.table.uniques.length === 0)
    return (await tx.savepoint((sp) => overCorrupt(sp, plan, groups, writeTable))) as Placed;
  for (let round = 1; ; round++) {
    try {
      return (await tx.savepoint((sp) => overCorrupt(sp, plan, groups, placeTable))) as Placed;
    } catch (error) {
      if (round === MAX_ROUNDS || !isOvertaken(error)) throw error;
    }
  }
}

/** What is written over corrupt versions goes before the others. */
async function overCorrupt(
  tx: TransactionSql,
  plan: Plan,
  groups: readonly Group[],
  writeGroups: (db: Db, plan: Plan, groups: readonly Group[]) => Promise<Written & Partial<Placed>>,
): Promise<Placed> {
  const winners = groups.map(({ winner }) => winner);
  const { done, conflicts } = await writeOverCorrupt(tx, plan, winners, plan.table.uniques.length > 0);
  const rest = groups.filter(({ winner }) => !done.has(winner));
  const written = await writeGroups(tx, plan, rest);
  return { held: [], ...written, conflicts: written.conflicts + conflicts };
}

/** Another transaction took the value, or the key, in the meantime. */
const isOvertaken = (error: unknown): boolean => {
  const meaning = meaningOf(error);
  return error instanceof Overtaken || (meaning.kind === 'row' && meaning.reason === 'unique');
};

async function inHalves(tx: TransactionSql, plan: Plan, groups: readonly Group[]): Promise<Isolated> {
  const half = Math.ceil(groups.length / 2);
  const first = await isolateTable(tx, plan, groups.slice(0, half));
  return plus(first, await isolateTable(tx, plan, groups.slice(half)));
}

/** All versions of the rows that somebody holds are refused together. What is waited for without a row to see is found by halving. */
async function withoutHeld(tx: TransactionSql, plan: Plan, groups: readonly Group[], error: Error): Promise<Isolated> {
  const winners = groups.map(({ winner }) => winner);
  const held = groups.length === 1 ? new Set(winners) : await heldRows(tx, plan, winners);
  if (held.size === 0) return inHalves(tx, plan, groups);
  const refused = groups
    .filter(({ winner }) => held.has(winner))
    .flatMap(({ winner, others }) => [winner, ...others])
    .map((change) => ({ record: change.record, change, reason: 'locked' as const, error: error.message }));
  const free = groups.filter(({ winner }) => !held.has(winner));
  return plus({ ...NOTHING, refused }, await isolateTable(tx, plan, free));
}

async function withoutWinner(
  tx: TransactionSql,
  plan: Plan,
  group: Group,
  reason: ReasonCode,
  error: Error,
): Promise<Isolated> {
  const { refused: blamed, next } = splitRefused(group);
  const refused = blamed.map((change) => ({ record: change.record, change, reason, error: error.message }));
  let isolated: Isolated = { ...NOTHING, refused };
  for (const other of next) isolated = plus(isolated, await isolateTable(tx, plan, [other]));
  return isolated;
}

const plus = (a: Isolated, b: Isolated): Isolated => ({
  held: [...a.held, ...b.held],
  superseded: [...a.superseded, ...b.superseded],
  conflicts: a.conflicts + b.conflicts,
  refused: [...a.refused, ...b.refused],
});
