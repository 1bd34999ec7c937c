import type { Partition } from './partition.ts';

/** The committed offsets of a topic's consumer groups. */
export function consumerGroups(topic: string, partitions: readonly Partition[]) {
  const offsets = new Map<string, number[]>();
  const of = (group: string): number[] => {
    const found = offsets.get(group);
    if (!found) throw new Error(`group '${group}' is not registered for topic '${topic}'`);
    return found;
  };
  return {
    register: (group: string, from: 'start' | 'end'): void => {
      if (offsets.has(group)) return;
      offsets.set(
        group,
        partitions.map((partition) => partition[from]()),
      );
    },
    remove: (group: string): void => void offsets.delete(group),
    committed: (group: string, partition: number): number => of(group)[partition] ?? 0,
    commit: (group: string, partition: number, offset: number): void => {
      const [start, end] = [partitions[partition]?.start() ?? 0, partitions[partition]?.end() ?? 0];
      if (!(offset >= start && offset <= end))
        throw new RangeError(`offset ${offset} of ${topic}-${partition} is not from ${start} to ${end}`);
      of(group)[partition] = offset;
    },
    /** What no group needs any more ends here; undefined while there is no group. */
    lowest: (partition: number): number | undefined =>
      offsets.size === 0 ? undefined : Math.min(...[...offsets.values()].map((group) => group[partition] ?? 0)),
  };
}
