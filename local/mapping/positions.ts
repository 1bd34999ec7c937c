import type { Batch } from './batch.ts';
import type { Source } from './source.ts';

/**
 * How far each partition was read, and whether all of that is committed. Only then is it free: what lies between is gathered
 * or in flight, so that no two batches of a partition are ever under way.
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

export function positionsOf(source: Source, onCommit: () => void): Positions {
  const partitions = source.partitions();
  const read = new Map(partitions.map((partition) => [partition, source.committed(partition)]));
  const busy = new Set<number>();
  const next = (partition: number): number => read.get(partition) ?? 0;

  return {
    partitions,
    isFree: (partition) => !busy.has(partition),
    next,
    haveRead: (partition, nextOffset) => {
      busy.add(partition);
      read.set(partition, nextOffset);
    },
    commit: async (batch) => {
      for (const [partition, records] of batch) {
        const offset = (records.at(-1)?.offset ?? -1) + 1;
        await source.commit(partition, offset);
        if (offset === next(partition)) busy.delete(partition);
      }
      onCommit();
    },
    lag: () => partitions.reduce((sum, partition) => sum + source.end(partition) - source.committed(partition), 0),
    covers: (ends) => ends.entries().every(([partition, end]) => source.committed(partition) >= end),
  };
}
