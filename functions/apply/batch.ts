import { claim, type Progress, record, type Tally, tallyOf } from '@concord/idempotency';
import { type Db, type Sql, send } from '@concord/runtime';
import { type Catalogue, CatalogueChanged, FINGERPRINT } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { park } from './parked.ts';
import { setUp } from './set-up.ts';
import { writeIsolated, writeTogether } from './write-changes.ts';

export type Batch = {
  /** In lock order, and decoded when asked for: what cannot be decoded is in `refused` once all slices were read. */
  readonly slices: Iterable<readonly Change[]>;
  readonly refused: readonly Refusal[];
  readonly progress: readonly Progress[];
};

/** `together`: set-based, any refused row fails the transaction. `isolated`: refused rows are found and parked. */
export type Mode = 'together' | 'isolated';

/** One transaction: claim, write, park, record. Nothing of it is visible unless all of it is. */
export async function writeBatch(
  sql: Sql,
  batch: Batch,
  catalogue: Catalogue,
  mode: Mode,
  lockTimeoutMs: number,
): Promise<readonly Tally[]> {
  return sql.begin(async (tx) => {
    // Sent together: for a small batch every round trip counts.
    await Promise.all([setUp(tx, lockTimeoutMs), batch.progress.length > 0 && claim(tx, batch.progress)]);
    const outcome =
      mode === 'together'
        ? await writeTogether(tx, batch.slices, catalogue)
        : await writeIsolated(tx, [...batch.slices].flat(), catalogue);
    const parked = [...batch.refused, ...outcome.refused];
    await park(tx, parked);
    const tallies = tally(batch.progress, outcome.superseded, parked, outcome.conflicts);
    const entries = batch.progress.map((progress, index) => ({ progress, tally: tallies[index] as Tally }));
    await Promise.all([record(tx, entries), checkFingerprint(tx, catalogue)]);
    return tallies;
  }) as Promise<readonly Tally[]>;
}

/** By now the tables are locked against DDL: a column added since they were read would have been left at its default. */
async function checkFingerprint(db: Db, catalogue: Catalogue): Promise<void> {
  const [row] = await send<{ fingerprint: string }[]>(db, `select ${FINGERPRINT} as fingerprint`, []);
  if (row?.fingerprint !== catalogue.fingerprint) throw new CatalogueChanged();
}

const partitionName = ({ topic, partition }: { topic: string; partition: number }): string => `${topic}-${partition}`;

/** Conflicts are counted once per batch, at its first partition: a conflict may involve several. */
function tally(
  progress: readonly Progress[],
  superseded: readonly Change[],
  parked: readonly Refusal[],
  conflicts: number,
): Tally[] {
  const count = (records: readonly { record: { topic: string; partition: number } }[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const { record: of } of records) counts.set(partitionName(of), (counts.get(partitionName(of)) ?? 0) + 1);
    return counts;
  };
  const [supersededBy, parkedBy] = [count(superseded), count(parked)];
  return progress.map((entry, index) =>
    tallyOf(entry.received, {
      superseded: supersededBy.get(partitionName(entry)) ?? 0,
      held: 0,
      parked: parkedBy.get(partitionName(entry)) ?? 0,
      conflicts: index === 0 ? conflicts : 0,
    }),
  );
}
