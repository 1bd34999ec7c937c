import type { BatchResponse, KafkaRecord } from '@concord/events';
import { type Attempt, markSuspect, recordName } from '@concord/idempotency';
import type { Applier } from './applier.ts';
import type { ApplyOptions } from './apply.ts';
import { isOutage } from './sqlstate.ts';

/**
 * Records that were tried alone when the database went away, by name: this environment outlived them, so they are tried alone
 * once more before they are taken for killers.
 */
export type Survived = Set<string>;

type Failure = BatchResponse['batchItemFailures'][number];

/**
 * A batch that killed the function several times: each record in a transaction of its own, its offset committed before the
 * work begins. The record that a former run died at is parked unread, so the batch gets past it.
 */
export async function oneByOne(
  records: readonly KafkaRecord[],
  attempt: Attempt,
  applier: Applier,
  options: ApplyOptions,
  survived: Survived,
): Promise<BatchResponse> {
  const partitions = Map.groupBy(records, ({ topic, partition }) => `${topic}-${partition}`);
  const failures: Failure[] = [];
  for (const [partition, ofPartition] of partitions) {
    const failed = await firstFailure(ofPartition, attempt, applier, options, survived);
    if (failed !== undefined) failures.push({ itemIdentifier: { partition, offset: failed.offset } });
  }
  return { batchItemFailures: failures };
}

/** Stops at the first record that fails: the event source delivers from there on again, so order is kept. */
async function firstFailure(
  records: readonly KafkaRecord[],
  attempt: Attempt,
  applier: Applier,
  options: ApplyOptions,
  survived: Survived,
): Promise<KafkaRecord | undefined> {
  for (const record of records.toSorted((a, b) => a.offset - b.offset)) {
    const { topic, partition, offset } = record;
    const name = recordName(topic, partition, offset);
    const suspect = attempt.suspects.has(name);
    try {
      if (suspect && !survived.delete(name))
        await applier.apply(
          [],
          [{ record, reason: 'killer', error: 'the function died while it applied this record alone' }],
        );
      else {
        await markSuspect(options.sql, topic, partition, offset);
        await applier.apply([record]);
      }
    } catch (error) {
      if (isOutage(error) && !suspect) survived.add(name);
      options.onWarning?.(`record ${offset} of ${partition} failed alone`, error);
      return record;
    }
  }
  return undefined;
}
