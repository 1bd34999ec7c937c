import type { Batch } from './batch.ts';
import type { Source } from './source.ts';

/**
 * Per partition what is committed and what has been read. A partition is free when both are the same; what lies between
 * is gathered or in flight, so that no two batches of a partition are ever under way.
 */
export type Positions = {
  readonly partitions: readonly number[];
  readonly isFree: (partition: number) => boolean;
  /** The next offset to read. */
  readonly next: (partition: number) => number;
  readonly haveRead: (partition: number, nextOffset: number) => void;
  /** Commits everything up to the last record of each partition of the batch. */
  readonly commit: (batch: Batch) => Promise<void>;
  readonly lag: () => number;
  /** Whether everything below these offsets is committed. */
  readonly covers: (ends: ReadonlyMap<number, number>) => boolean;
};

export async function loadPositions(source: Source, onCommit: () => void): Promise<Positions> {
  const partitions = source.partitions();
  const committed = new Map<number, number>();
  for (const partition of partitions) committed.set(partition, await source.committed(partition));
  const read = new Map(committed);
  const of = (offsets: ReadonlyMap<number, number>, partition: number): number => offsets.get(partition) ?? 0;

  return {
    partitions,
    isFree: (partition) => of(committed, partition) === of(read, partition),
    next: (partition) => of(read, partition),
    haveRead: (partition, nextOffset) => void read.set(partition, nextOffset),
    commit: async (batch) => {
      for (const [partition, records] of batch) {
        const offset = (records.at(-1)?.offset ?? -1) + 1;
        await source.commit(partition, offset);
        committed.set(partition, offset);
      }
      onCommit();
    },
    lag: () => partitions.reduce((sum, partition) => sum + source.end(partition) - of(committed, partition), 0),
    covers: (ends) => ends.entries().every(([partition, end]) => of(committed, partition) >= end),
  };
}
