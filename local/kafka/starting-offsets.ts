import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaSourceOptions } from './source.ts';
import { withAdmin } from './topics.ts';

export type Start = {
  readonly partition: number;
  /** The first offset that the topic holds. */
  readonly low: number;
  /** The first offset that the group has not handled. */
  readonly offset: number;
  /** Whether the group had no offset here. */
  readonly isNew: boolean;
};

/**
 * A broker that has just started leads nothing yet and reads its groups first; the very first group waits until their topic is
 * made.
 */
const STARTING_LIMIT_MS = 60_000;
const RETRY_MS = 100;
const STARTING_ERRORS: readonly unknown[] = [
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
];

/**
 * Where a group stands in each partition of a topic, or begins.
 *
 * @throws Error that names the topic and the group, with kafkajs's own as its cause
 */
export async function startingOffsets(options: KafkaSourceOptions): Promise<Start[]> {
  const deadline = performance.now() + STARTING_LIMIT_MS;
  for (;;) {
    try {
      return await ask(options);
    } catch (error) {
      if (!isOfStart(error) || performance.now() > deadline)
        throw new Error(`topic ${options.topic}, group ${options.group}: ${(error as Error).message}`, {
          cause: error,
        });
    }
    await delay(RETRY_MS);
  }
}

const isOfStart = (error: unknown): boolean =>
  error instanceof Error && (('type' in error && STARTING_ERRORS.includes(error.type)) || isOfStart(error.cause));

const ask = ({ kafka, topic, group, from }: KafkaSourceOptions): Promise<Start[]> =>
  withAdmin(kafka, async (admin) => {
    const ranges = await admin.fetchTopicOffsets(topic);
    const [known] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
    const committed = new Map(known?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    return ranges
      .map(({ partition, low, high }) => start(partition, Number(low), Number(high), committed.get(partition), from))
      .sort((a, b) => a.partition - b.partition);
  });

/** `from` is for a group that has no offset (-1). One that the topic does not hold any more goes on with all that is there. */
function start(
  partition: number,
  low: number,
  high: number,
  committed = -1,
  from: KafkaSourceOptions['from'] = 'TRIM_HORIZON',
): Start {
  const isNew = committed === -1;
  if (isNew) return { partition, low, offset: from === 'LATEST' ? high : low, isNew };
  return { partition, low, offset: committed < low || committed > high ? low : committed, isNew };
}
