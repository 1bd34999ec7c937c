import type { SourceRecord } from './source.ts';

/** Records by partition, in order and never empty. */
export type Batch = ReadonlyMap<number, readonly SourceRecord[]>;

export const recordsIn = (batch: Batch): number => batch.values().reduce((sum, records) => sum + records.length, 0);

/** Leaves out partitions of which nothing is kept. */
function filterBatch(batch: Batch, keep: (record: SourceRecord, partition: number) => boolean): Batch {
  const kept = [...batch].map(
    ([partition, records]) => [partition, records.filter((record) => keep(record, partition))] as const,
  );
  return new Map(kept.filter(([, records]) => records.length > 0));
}

/** One batch per partition. */
export const byPartition = (batch: Batch): Batch[] =>
  [...batch].map(([partition, records]) => new Map([[partition, records]]));

/** Two halves of a batch of one partition, the earlier records first. */
export function halves(batch: Batch): [Batch, Batch] {
  const middle = Math.ceil(recordsIn(batch) / 2);
  const part = (from: number, to?: number): Batch =>
    new Map([...batch].map(([partition, records]) => [partition, records.slice(from, to)]));
  return [part(0, middle), part(middle)];
}

/** Splits every partition before an offset: the earlier records, the rest. A partition without an offset is all earlier. */
export const splitAt = (batch: Batch, offsets: ReadonlyMap<number, number>): [Batch, Batch] => {
  const isEarlier = ({ offset }: SourceRecord, partition: number): boolean =>
    offset < (offsets.get(partition) ?? Infinity);
  return [filterBatch(batch, isEarlier), filterBatch(batch, (record, partition) => !isEarlier(record, partition))];
};
