import type { BatchResponse, KafkaRecord } from '@concord/events';
import { type Attempt, markSuspect, recordName } from '@concord/idempotency';
import type { Applier } from './applier.ts';
import type { ApplyOptions } from './apply.ts';
import { type Deadline, timed } from './deadline.ts';
import { failureAt, partitionNameOf } from './failures.ts';
import { isOutage } from './sqlstate.ts';

/**
 * Records that were tried alone when the database went away or time was up, by name: this environment outlived them, so they are
 * tried alone once more before they are taken for killers.
 */
export type Survived = Set<string>;

export type Alone = {
  readonly applier: Applier;
  readonly options: ApplyOptions;
  readonly survived: Survived;
  readonly deadline: Deadline | undefined;
};

/**
 * A batch that killed the function several times: each record in a transaction of its own, its offset committed before the
 * work begins. The record that a former run died at is parked unread, so the batch gets past it. When time is up, what is
 * committed stays: a batch that never fits gets on.
 */
export async function oneByOne(
  records: readonly KafkaRecord[],
  attempt: Attempt,
  alone: Alone,
): Promise<BatchResponse> {
  const batchItemFailures: BatchResponse['batchItemFailures'] = [];
  for (const ofPartition of Map.groupBy(records, partitionNameOf).values()) {
    const failed = await firstFailure(ofPartition, records[0], attempt, alone);
    if (failed !== undefined) batchItemFailures.push(failureAt(failed));
  }
  return { batchItemFailures };
}

/** Stops at the first record that fails: the event source delivers from there on again, so order is kept. */
async function firstFailure(
  records: readonly KafkaRecord[],
  firstOfAll: KafkaRecord | undefined,
  attempt: Attempt,
  alone: Alone,
): Promise<KafkaRecord | undefined> {
  const { options, deadline } = alone;
  for (const record of records.toSorted((a, b) => a.offset - b.offset)) {
    const place = `record ${record.offset} of ${partitionNameOf(record)}`;
    if (deadline?.isOver()) {
      options.onWarning?.(`out of time: from ${place} on it comes again`, undefined);
      return record;
    }
    try {
      await applyAlone(record, attempt, alone);
    } catch (error) {
      options.onWarning?.(`${place} failed alone`, error);
      await judge(record, error, attempt, alone, record === firstOfAll);
      return record;
    }
  }
  return undefined;
}

async function applyAlone(
  record: KafkaRecord,
  attempt: Attempt,
  { applier, options, survived, deadline }: Alone,
): Promise<void> {
  const name = nameOf(record);
  if (attempt.suspects.has(name) && !survived.delete(name)) {
    const error = 'the function died or ran out of time while it applied this record alone';
    await applier.apply([], [{ record, reason: 'killer', error }], deadline);
    return;
  }
  await markSuspect(timed(options.sql, deadline), record.topic, record.partition, record.offset);
  await applier.apply([record], [], deadline);
}

/** What a failure says about the record. One that had only the time that others left has done nothing wrong. */
async function judge(
  record: KafkaRecord,
  error: unknown,
  attempt: Attempt,
  { options, survived, deadline }: Alone,
  hadAllTime: boolean,
): Promise<void> {
  const name = nameOf(record);
  const isOver = deadline?.isOver() === true;
  if ((isOutage(error) || isOver) && !attempt.suspects.has(name)) survived.add(name);
  if (!isOver || hadAllTime) return;
  await markSuspect(options.sql, record.topic, record.partition, null).then(
    () => survived.delete(name),
    (reason) => options.onWarning?.(`${name} is still suspected of killing the function`, reason),
  );
}

const nameOf = ({ topic, partition, offset }: KafkaRecord): string => recordName(topic, partition, offset);
