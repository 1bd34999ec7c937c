import { formatStamp, type Stamp } from '@concord/conflict';
import { repairRunOf } from '@concord/events';
import type { Db, TransactionSql } from '@concord/runtime';
import type { Change, Refusal } from './change.ts';
import { chunksOf } from './chunks.ts';
import { byKey, collapse, type Group } from './collapse.ts';
import { heldRows } from './held-rows.ts';
import { readLimbo } from './limbo.ts';
import type { Plan } from './plan.ts';
import type { ReasonCode } from './reasons.ts';
import { sameRows } from './same-rows.ts';
import { readStored } from './stored.ts';

/** Changes of one table: what goes on, and what must not, because its key's tombstone may have been deleted. */
export type Admitted = {
  readonly changes: readonly Change[];
  readonly superseded: readonly Change[];
  readonly refused: readonly Refusal<ReasonCode>[];
};

/**
 * Takes out changes below the table's horizon (µs since 1970) whose key has neither row nor tombstone nor held row: a row is refused, a
 * tombstone superseded. What the others have is locked, so that it is still there when they are joined with it. A horizon that is raised
 * from here on fails the transaction at its end (`sendCheck`). What repair brings passes.
 */
export async function withoutCollected(
  db: Db,
  plan: Plan,
  changes: readonly Change[],
  horizonUs: Stamp,
): Promise<Admitted> {
  const late = lateOf(changes, horizonUs);
  if (late.length === 0) return { changes, superseded: [], refused: [] };
  const known = await readKnown(db, plan, late.toSorted(byKey));
  const unknown = late.filter((change) => !known.has(change));
  const lost = new Set(unknown);
  const groups = collapse(unknown, await sameRows(db, plan, unknown));
  const refused = groups.flatMap(rowsToPark);
  const parked = new Set(refused);
  return {
    changes: changes.filter((change) => !lost.has(change)),
    superseded: unknown.filter((change) => !parked.has(change)),
    refused: refused.map((change) => refusalOf(change, horizonUs)),
  };
}

/**
 * The same for a transaction in which refused rows are found one by one: whoever holds what is stored for such a key is not waited for,
 * and its changes are refused as well.
 */
export async function withoutCollectedOrHeld(
  tx: TransactionSql,
  plan: Plan,
  changes: readonly Change[],
  horizonUs: Stamp,
): Promise<Admitted> {
  const late = lateOf(changes, horizonUs);
  const held = late.length === 0 ? new Set<Change>() : await heldRows(tx, plan, late);
  const free = held.size === 0 ? changes : changes.filter((change) => !held.has(change));
  const admitted = await withoutCollected(tx, plan, free, horizonUs);
  const locked = [...held].map((change): Refusal<ReasonCode> => {
    return { record: change.record, change, reason: 'locked', error: 'another transaction holds its row or tombstone' };
  });
  return { ...admitted, refused: [...admitted.refused, ...locked] };
}

const lateOf = (changes: readonly Change[], horizonUs: Stamp): Change[] =>
  horizonUs === 0
    ? []
    : changes.filter((change) => latestOf(change) < horizonUs && repairRunOf(change.record) === undefined);

/** What a tombstone is collected by: on a lattice table the last of all writes that are in the version. */
const latestOf = ({ lattice, stamp, vector }: Change): Stamp =>
  lattice === undefined ? stamp : Math.max(stamp, ...Object.values(vector));

/** Changes whose key has anything here. */
async function readKnown(db: Db, plan: Plan, changes: readonly Change[]): Promise<Set<Change>> {
  const known = new Set<Change>();
  const held = plan.table.uniques.length === 0 ? [] : await readLimbo(db, plan);
  const same = held.length === 0 ? undefined : await sameRows(db, plan, [...changes, ...held]);
  const identityOf = (change: Change): string | number => same?.get(change) ?? change.key;
  const inLimbo = new Set(held.map(identityOf));
  for (const chunk of chunksOf(changes)) {
    const stored = await readStored(db, plan, chunk);
    for (const change of chunk) {
      const { row, tombstone } = stored.get(change) ?? {};
      if (row !== undefined || tombstone !== undefined || inLimbo.has(identityOf(change))) known.add(change);
    }
  }
  return known;
}

/** Of the versions of one row: none where it ended dead, all that it was joined from where that were several. */
function rowsToPark({ winner, joined }: Group): readonly Change[] {
  if (winner.kind === 'tombstone') return [];
  return joined?.filter(({ kind }) => kind === 'row') ?? [winner];
}

const refusalOf = (change: Change, horizonUs: Stamp): Refusal<ReasonCode> => ({
  ...{ record: change.record, change, reason: 'below_horizon' },
  error: `${change.table} has nothing of this key, and deletes before ${formatStamp(horizonUs)} are forgotten`,
});
