import { setTimeout as delay } from 'node:timers/promises';
import { groupOf, topicOf } from '@concord/events';
import kafkajs, { type Kafka, type Producer } from 'kafkajs';
import { connectorName, PUBLICATION, slotName } from '../../connector/names.ts';
import { connectorStatus, failedPart, firstLines, registerConnector, removeConnector } from '../../connector/rest.ts';
import { connectorSettings, type ProducerLogin, type SourceDatabase } from '../../connector/settings.ts';
import { topicSettings } from '../../connector/topics.ts';
import { prepareSlot } from '../../functions/enroll/slot.ts';
import { kafkaSource } from '../kafka/source.ts';
import { createTopics } from '../kafka/topics.ts';
import { openConnection, withConnection } from '../region/connection.ts';
import type { Region } from '../region/database.ts';
import type { Carrier, CarrierOptions, RegionCapture, StartCarrier } from './carrier.ts';
import { countChanges } from './count-changes.ts';

import { type Observed, observed } from './observed.ts';

/** A running Kafka cluster and Connect worker, and who may do what there. */
export type KafkaPlace = {
  /** The URL of the Connect worker. */
  readonly connectUrl: string;
  /** May do everything: makes topics, writes foreign records, counts. */
  readonly admin: Kafka;
  /** As the apply function of a region. */
  readonly clientOf: (region: string) => Kafka;
  /** As the connector of a region; undefined where clients need no account. */
  readonly captureAccess: (region: string) => ProducerLogin | undefined;
};

/** Local brokers are one, and people watch: often enough that draining takes no longer than a second or two. */
const HEARTBEAT_MS = 1000;
const POLL_MS = 20;
const FLUSH_POLL_MS = 50;
const FAILURE_POLL_MS = 2000;

/** Debezium captures every region into a real Kafka; the consumer groups are named as Lambda would: one per mapping. */
export const kafkaCarrier =
  (place: KafkaPlace): StartCarrier =>
  async (options): Promise<Carrier> => {
    const { topology, onWarning } = options;
    await createTopics(
      place.admin,
      topology.regions.map(({ name }) => topicSettings(topology, name, { replicationFactor: 1 })),
    );
    const producer = place.admin.producer({
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const seen = new Map<string, Observed>();
    return {
      capture: (region) => capture(region, place, options, () => seen.get(region.name)),
      source: async (from, into) => {
        const group = groupOf(from, into);
        const source = observed(
          await kafkaSource({
            kafka: place.clientOf(into),
            topic: topicOf(from),
            group,
            from: 'TRIM_HORIZON',
            onWarning,
          }),
        );
        if (!seen.has(from)) seen.set(from, source);
        return source;
      },
      append: (region, key, value) => append(producer, topicOf(region), key, value),
      changes: (region) => countChanges(place.admin, topicOf(region)),
      stop: () => producer.disconnect(),
    };
  };

const append = async (producer: Producer, topic: string, key: string | null, value: string | null): Promise<void> =>
  void (await producer.send({ topic, messages: [{ key, value }] }));

async function capture(
  region: Region,
  { connectUrl, captureAccess }: KafkaPlace,
  { topology }: CarrierOptions,
  seen: () => Observed | undefined,
): Promise<RegionCapture> {
  const [name, slot] = [connectorName(region.name), slotName(region.name)];
  await withConnection(region.url(), (sql) => prepareSlot(sql, slot, PUBLICATION, true));
  const access = captureAccess(region.name);
  const settings = connectorSettings({
    ...{ topology, region: region.name, database: databaseOf(region.url('concord_capture')) },
    ...{ heartbeatMs: HEARTBEAT_MS, pollMs: POLL_MS, ...(access && { kafka: access }) },
  });
  await registerConnector({ url: connectUrl, name, settings });
  const ended = new AbortController();
  return {
    captured: () => seen()?.changes() ?? 0,
    lastCommitAt: () => seen()?.lastCommitAt(),
    caughtUpTo: (lsn) => {
      const throwIfFailed = failureWatch(connectUrl, name);
      return flushedTo(region, slot, lsn, async () => {
        ended.signal.throwIfAborted();
        await throwIfFailed();
      });
    },
    stop: async () => {
      ended.abort(new Error('the capture was stopped'));
      await removeConnector(connectUrl, name);
    },
  };
}

/**
 * Throws when the connector was found failed twice in a row, with the time between that a restart needs to show. A worker
 * that is away may come back.
 */
function failureWatch(connectUrl: string, name: string): () => Promise<void> {
  let [nextMs, hasFailed] = [0, false];
  return async () => {
    if (performance.now() < nextMs) return;
    const status = await connectorStatus(connectUrl, name).catch(() => undefined);
    const failed = failedPart(status);
    if (failed !== undefined && hasFailed) throw new Error(`'${name}' failed\n  ${firstLines(failed.trace ?? '')}`);
    [nextMs, hasFailed] = [performance.now() + FAILURE_POLL_MS, failed !== undefined];
  };
}

/**
 * Debezium confirms an LSN only when Kafka has acknowledged all that was committed before it. A heartbeat gives it something
 * to confirm behind the LSN at once. `check` is called while waiting and may throw.
 */
async function flushedTo(region: Region, slot: string, lsn: string, check: () => Promise<void>): Promise<void> {
  const sql = openConnection(region.url());
  try {
    await sql`select concord.beat()`;
    for (;;) {
      const [row] = await sql<{ flushed: boolean }[]>`
        select confirmed_flush_lsn >= ${lsn}::text::pg_lsn as flushed from pg_replication_slots where slot_name = ${slot}`;
      if (row === undefined) throw new Error(`replication slot '${slot}' of ${region.name} is gone`);
      if (row.flushed) return;
      await check();
      await delay(FLUSH_POLL_MS);
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** A connection URL as the connector takes it. */
export function databaseOf(url: string): SourceDatabase {
  const { hostname, port, pathname, username, password } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    name: decodeURIComponent(pathname.slice(1)),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}
