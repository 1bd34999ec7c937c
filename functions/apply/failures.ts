import type { BatchResponse, KafkaRecord } from '@concord/events';

type Failure = BatchResponse['batchItemFailures'][number];

export const partitionNameOf = ({ topic, partition }: KafkaRecord): string => `${topic}-${partition}`;

/** From this record on its partition is delivered again. */
export const failureAt = (record: KafkaRecord): Failure => ({
  itemIdentifier: { partition: partitionNameOf(record), offset: record.offset },
});

/** Everything failed: the first offset of each partition. */
export function failuresOf(records: readonly KafkaRecord[]): BatchResponse {
  const partitions = Map.groupBy(records, partitionNameOf).values();
  const first = (ofPartition: readonly KafkaRecord[]): KafkaRecord =>
    ofPartition.reduce((least, record) => (record.offset < least.offset ? record : least));
  return { batchItemFailures: [...partitions.map((ofPartition) => failureAt(first(ofPartition)))] };
}
