import { randomUUID } from 'node:crypto';
import { isHeartbeatKey } from '@concord/events';
import type { Kafka } from 'kafkajs';

/** Reads a whole topic with a consumer of its own and counts all that is no heartbeat, as it stood when asked. */
export async function countChanges(kafka: Kafka, topic: string): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  const missing = new Map(
    ends.filter(({ low, high }) => Number(high) > Number(low)).map(({ partition, high }) => [partition, Number(high)]),
  );
  const groupId = `concord.count.${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  const done = Promise.withResolvers<void>();
  consumer.on('consumer.crash', ({ payload }) => done.reject(payload.error));
  let changes = 0;
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { partition, messages } }) => {
        const end = missing.get(partition) ?? 0;
        changes += messages.filter(({ key, offset }) => Number(offset) < end && !isHeartbeatKey(key)).length;
        if (Number(messages.at(-1)?.offset ?? -1) + 1 >= end) missing.delete(partition);
        if (missing.size === 0) done.resolve();
      },
    });
    if (missing.size > 0) await done.promise;
    return changes;
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]);
    await admin.disconnect();
  }
}
