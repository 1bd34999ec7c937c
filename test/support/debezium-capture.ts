import { setTimeout as delay } from 'node:timers/promises';
import { isHeartbeatKey, type KafkaRecord, topicOf } from '@concord/events';
import { connectorName, slotName } from '../../connector/names.ts';
import { connectorStatus } from '../../connector/rest.ts';
import { type Debezium, readTopic, type TopicRecord } from './debezium.ts';
import type { Region } from './regions.ts';

const STATUS_POLL_MS = 500;

/** A region's own connector and topic, from the moment it resolves on. */
export type DebeziumCapture = {
  /** What committed since the last call, partition by partition; heartbeats are left out. */
  readonly records: () => Promise<TopicRecord[]>;
  /** Removes connector, slot and topic. */
  readonly stop: () => Promise<void>;
};

export async function captureByDebezium(debezium: Debezium, region: Region): Promise<DebeziumCapture> {
  const { name, database, sql, topology } = region;
  const place = { name, cluster: database.cluster, url: (user?: string) => database.url(user) };
  const own = { ...topology, regions: topology.regions.filter((entry) => entry.name === name) };
  const carrier = await debezium.carrier({ topology: own, regions: [place] });
  const capture = await carrier.capture(place);
  const read = new Map<number, number>();
  return {
    records: async () => {
      const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_lsn()::text as lsn`;
      const arrived = new AbortController();
      const failure = failureOf(debezium, name, arrived.signal);
      await Promise.race([capture.caughtUpTo(row?.lsn ?? ''), failure]).finally(() => arrived.abort());
      const records = await readTopic(debezium.kafka, topicOf(name));
      const fresh = records.filter(({ partition, offset }) => offset >= (read.get(partition) ?? 0));
      for (const { partition, offset } of fresh) read.set(partition, offset + 1);
      return fresh.filter(({ key }) => !isHeartbeatKey(key));
    },
    stop: async () => {
      await capture.stop();
      await dropSlot(region);
      const admin = debezium.kafka.admin();
      await admin.connect();
      await admin.deleteTopics({ topics: [topicOf(name)] });
      await admin.disconnect();
    },
  };
}

/** Rejects when the connector fails, which no waiting mends. */
async function failureOf({ connect }: Debezium, region: string, signal: AbortSignal): Promise<never> {
  for (;;) {
    const status = await connectorStatus(connect.url, connectorName(region), signal);
    if (status === undefined) throw new Error(`the connector of ${region} is gone`);
    for (const { state, trace = '' } of [status.connector, ...status.tasks])
      if (state === 'FAILED') throw new Error(`the connector of ${region} failed: ${trace}`);
    await delay(STATUS_POLL_MS, undefined, { signal });
  }
}

/** The walsender of a connector that was removed may take a moment to end. */
async function dropSlot({ name, sql }: Region): Promise<void> {
  const slot = slotName(name);
  await sql`select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = ${slot} and active`;
  await sql`select pg_drop_replication_slot(${slot})`;
}

/** A record as Lambda delivers it. */
export const lambdaRecord = (region: string, record: TopicRecord): KafkaRecord => ({
  topic: topicOf(region),
  partition: record.partition,
  offset: record.offset,
  timestamp: record.timestampMs,
  timestampType: 'CREATE_TIME',
  key: record.key?.toString('base64') ?? null,
  value: record.value?.toString('base64') ?? null,
  headers: [],
});
