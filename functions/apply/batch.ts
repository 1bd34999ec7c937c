import type { KafkaRecord } from '@concord/events';
import { claim, type Entry, fillGaps, type Progress, sendRecord, type Tally, tallyOf } from '@concord/idempotency';
import type { Sent, TransactionSql } from '@concord/runtime';
import type { Begin } from './ahead.ts';
import { type Catalogue, checked, sendCheck } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { park } from './parked.ts';
import type { Aside } from './rollout.ts';
import { setUp } from './set-up.ts';
import { type Leftovers, leftoversOf, sendLeftovers } from './settle.ts';
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

/** What a committed batch did, and what it left. */
export type Written = { readonly tallies: readonly Tally[]; readonly leftovers: Leftovers };

/**
 * One transaction: claim, write, park, record. Nothing of it is visible unless all of it is. For a small batch every round trip
 * counts: what writes follows the claim, and the commit follows what ends the transaction, before their answers.
 */
export async function writeBatch(
  begin: Begin,
  batch: Batch,
  catalogue: Catalogue,
  mode: Mode,
  lockTimeoutMs: number,
): Promise<Written> {
  let ending: Promise<Leftovers> | undefined;
  const tallies = await begin(async (tx) => {
    const claimed = Promise.all([
      setUp(tx, lockTimeoutMs),
      batch.progress.length > 0 && claim(tx, batch.progress),
      fillGaps(tx, batch.handedOver),
    ]);
    claimed.catch(() => undefined);
    if (mode === 'isolated') await claimed;
    const outcome = await write(tx, batch, catalogue, mode);
    await claimed;
    const parked = [...batch.refused, ...outcome.refused];
    await park(tx, parked);
    if (batch.aside.records.length > 0) await countShadow(tx, batch.aside, catalogue);
    const entries = entriesOf(batch, outcome, parked);
    ending = end(tx, entries, catalogue, outcome.tables);
    return entries.map(({ tally }) => tally);
  });
  if (ending === undefined) throw new Error('a batch was committed before its end');
  return { tallies, leftovers: await ending };
}

const write = (tx: TransactionSql, { slices }: Batch, catalogue: Catalogue, mode: Mode): Promise<Outcome> =>
  mode === 'together' ? writeTogether(tx, slices, catalogue) : writeIsolated(tx, [...slices].flat(), catalogue);

/**
 * Sends what a batch ends with; all of it is on its way when this returns, and throws when it is not. Where the server refuses any of
 * it, the transaction cannot commit, and the promise rejects.
 */
function end(
  tx: TransactionSql,
  entries: readonly Entry[],
  catalogue: Catalogue,
  written: readonly string[],
): Promise<Leftovers> {
  const sent = [sendRecord(tx, entries), sendCheck(tx, catalogue, written), sendLeftovers(tx)] as const;
  const ended = answersOf(...sent);
  ended.catch(() => undefined);
  return ended;
}

async function answersOf(recorded: Sent<object[]>, check: Sent<object[]>, left: Sent<Leftovers[]>): Promise<Leftovers> {
  // In their order: the first that is refused says why, those behind it only that the transaction is aborted.
  await recorded;
  await checked(check);
  return leftoversOf(await left);
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
