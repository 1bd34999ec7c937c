import type { KafkaRecord } from '@concord/events';
import { claim, type Entry, fillGaps, type Progress, record, type Tally, tallyOf } from '@concord/idempotency';
import type { Sql } from '@concord/runtime';
import { type Catalogue, checkCatalogue } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { park } from './parked.ts';
import type { Aside } from './rollout.ts';
import { setUp } from './set-up.ts';
import { countShadow } from './shadow.ts';
import { type Outcome, writeIsolated, writeTogether } from './write-changes.ts';

export type Batch = {
  /** In lock order, and decoded when asked for: what cannot be decoded is in `refused` once all slices were read. */
  readonly slices: Iterable<readonly Change[]>;
  readonly refused: readonly Refusal[];
  /** Records of tables that are not live, likewise. */
  readonly aside: Aside;
  readonly progress: readonly Progress[];
  /** Records that Concord itself hands over: they have no progress, but those that were given up once close gaps. */
  readonly handedOver: readonly KafkaRecord[];
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
    await Promise.all([
      setUp(tx, lockTimeoutMs),
      batch.progress.length > 0 && claim(tx, batch.progress),
      fillGaps(tx, batch.handedOver),
    ]);
    const outcome =
      mode === 'together'
        ? await writeTogether(tx, batch.slices, catalogue)
        : await writeIsolated(tx, [...batch.slices].flat(), catalogue);
    const parked = [...batch.refused, ...outcome.refused];
    await park(tx, parked);
    if (batch.aside.records.length > 0) await countShadow(tx, batch.aside, catalogue);
    const entries = entriesOf(batch, outcome, parked);
    await Promise.all([record(tx, entries), checkCatalogue(tx, catalogue, outcome.tables)]);
    return entries.map(({ tally }) => tally);
  }) as Promise<readonly Tally[]>;
}

const partitionName = ({ topic, partition }: { topic: string; partition: number }): string => `${topic}-${partition}`;

/** How many records of each partition. */
function countsOf(records: readonly KafkaRecord[]): (of: Progress) => number {
  const counts = new Map<string, number>();
  for (const record of records) counts.set(partitionName(record), (counts.get(partitionName(record)) ?? 0) + 1);
  return (of) => counts.get(partitionName(of)) ?? 0;
}

/** Conflicts are counted once per batch, at its first partition: a conflict may involve several. */
function entriesOf(
  { progress, aside }: Batch,
  { superseded, held, conflicts }: Outcome,
  parked: readonly Refusal[],
): Entry[] {
  const recordOf = ({ record: of }: { readonly record: KafkaRecord }): KafkaRecord => of;
  const skippedOf = countsOf(aside.records);
  const supersededOf = countsOf(superseded.map(recordOf));
  const heldOf = countsOf(held.map(recordOf));
  const parkedOf = countsOf(parked.map(recordOf));
  return progress.map((of, index) => ({
    progress: of,
    skipped: skippedOf(of),
    tally: tallyOf(of.received - skippedOf(of), {
      superseded: supersededOf(of),
      held: heldOf(of),
      parked: parkedOf(of),
      conflicts: index === 0 ? conflicts : 0,
    }),
  }));
}
