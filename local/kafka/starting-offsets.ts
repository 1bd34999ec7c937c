import type { KafkaSourceOptions } from './source.ts';
import { withAdmin } from './topics.ts';

export type Start = {
  readonly partition: number;
  /** The first offset that the group has not handled. */
  readonly offset: number;
  /** Whether the group had no offset here, or one that the topic does not hold any more. */
  readonly isNew: boolean;
};

/** Where a group stands in each partition of a topic, or begins. */
export const startingOffsets = ({ kafka, topic, group, from }: KafkaSourceOptions): Promise<Start[]> =>
  withAdmin(kafka, async (admin) => {
    const ranges = await admin.fetchTopicOffsets(topic);
    const [known] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
    const committed = new Map(known?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    return ranges
      .map(({ partition, low, high }) => {
        const offset = committed.get(partition) ?? -1;
        const isNew = offset < Number(low) || offset > Number(high);
        return { partition, offset: isNew ? Number(from === 'LATEST' ? high : low) : offset, isNew };
      })
      .sort((a, b) => a.partition - b.partition);
  });
