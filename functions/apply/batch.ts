import { claim, type Progress, record, type Tally, tallyOf } from '@concord/idempotency';
import type { Db, Sql, TransactionSql } from '@concord/runtime';
import { type Catalogue, FINGERPRINT } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { collapse, type Group } from './collapse.ts';
import { isolateTable } from './isolate.ts';
import { park } from './parked.ts';
import { planOf } from './plan.ts';
import { sameRows } from './same-rows.ts';
import { writeTable } from './write-table.ts';

/** The decoded records of a batch. */
export type Batch = {
  readonly changes: readonly Change[];
  readonly refused: readonly Refusal[];
  readonly progress: readonly Progress[];
};

/** `together`: set-based, any refused row fails the transaction. `isolated`: refused rows are found and parked. */
export type Mode = 'together' | 'isolated';

export type BatchResult = { readonly tallies: readonly Tally[]; readonly unsettled: boolean };

/** The catalogue changed under the batch: nothing is committed; decode it again under the new one. */
export class CatalogueChanged extends Error {}

/** One transaction: claim, write, park, record. Nothing of it is visible unless all of it is. */
export async function writeBatch(
  sql: Sql,
  batch: Batch,
  catalogue: Catalogue,
  mode: Mode,
  lockTimeoutMs: number,
): Promise<readonly Tally[]> {
  return sql.begin(async (tx) => {
    await tx.unsafe(`set local lock_timeout = ${lockTimeoutMs}`);
    if (batch.progress.length > 0) await claim(tx, batch.progress);
    const outcome = await writeChanges(tx, batch.changes, catalogue, mode);
    const parked = [...batch.refused, ...outcome.refused];
    await park(tx, parked);
    const tallies = tally(batch.progress, outcome.superseded, parked, outcome.conflicts);
    await record(
      tx,
      batch.progress.map((progress, index) => ({ progress, tally: tallies[index] as Tally })),
    );
    await checkFingerprint(tx, catalogue);
    return tallies;
  }) as Promise<readonly Tally[]>;
}

export type Outcome = {
  readonly superseded: readonly Change[];
  readonly refused: readonly Refusal[];
  readonly conflicts: number;
};

/** Writes changes of any tables: tables by name, rows by key, so that all appliers lock in one order. */
export async function writeChanges(
  tx: TransactionSql,
  changes: readonly Change[],
  catalogue: Catalogue,
  mode: Mode,
): Promise<Outcome> {
  const superseded: Change[] = [];
  const refused: Refusal[] = [];
  let conflicts = 0;
  for (const [name, ofTable] of [...Map.groupBy(changes, ({ table }) => table)].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const table = catalogue.tables.get(name);
    if (table === undefined) throw new CatalogueChanged();
    const plan = planOf(table);
    const groups: Group[] = collapse(ofTable, mode === 'together' ? await sameRows(tx, plan, ofTable) : undefined);
    const written =
      mode === 'together'
        ? { ...(await writeTable(tx, plan, groups)), refused: [] }
        : await isolateTable(tx, plan, groups);
    superseded.push(...written.superseded);
    refused.push(...written.refused);
    conflicts += written.conflicts;
  }
  return { superseded, refused, conflicts };
}

/** By now the tables are locked against DDL: a column added since they were read would have been left at its default. */
async function checkFingerprint(db: Db, catalogue: Catalogue): Promise<void> {
  const [row] = await db.unsafe<{ fingerprint: string }[]>(`select ${FINGERPRINT} as fingerprint`);
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
