import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import type { TopicSettings } from '../../connector/topics.ts';

/** Runs `work` with an admin client of its own. */
export async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

const LEADERS_LIMIT_MS = 30_000;
const LEADERS_POLL_MS = 50;

/** Resolves when the topics can be written and read. Rejects when one of them exists. */
export const createTopics = (kafka: Kafka, topics: readonly TopicSettings[]): Promise<void> =>
  withAdmin(kafka, async (admin) => {
    await admin.createTopics({
      topics: topics.map(({ name, partitions, replicationFactor, configs }) => ({
        topic: name,
        numPartitions: partitions,
        replicationFactor,
        configEntries: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      })),
    });
    for (const { name } of topics) await untilLed(admin, name);
  });

/** A partition has its leader a moment after its topic exists. */
async function untilLed(admin: Admin, topic: string): Promise<void> {
  const deadline = performance.now() + LEADERS_LIMIT_MS;
  for (;;) {
    try {
      await admin.fetchTopicOffsets(topic);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(LEADERS_POLL_MS);
    }
  }
}

export const deleteTopic = (kafka: Kafka, topic: string): Promise<void> =>
  withAdmin(kafka, (admin) => admin.deleteTopics({ topics: [topic] }));
