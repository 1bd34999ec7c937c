import { murmur2, partitionOf } from '@concord/events';

/** Kafka's default partitioner, but for records without a key: those take turns instead of filling one batch. */
export function partitioner(partitions: number): (key: string | Buffer | null) => number {
  let turn = 0;
  return (key) => {
    if (key === null) return turn++ % partitions;
    return typeof key === 'string' ? partitionOf(key, partitions) : (murmur2(key) & 0x7fffffff) % partitions;
  };
}
