import { connect, type Sql } from '@concord/runtime';
import type { Kafka } from 'kafkajs';
import { call } from '../../../connector/request.ts';
import { connectorStatus, failedPart, firstLines, registerConnector, type State } from '../../../connector/rest.ts';
import { startBroker } from '../../../local/kafka/broker.ts';
import { closeClient, kafkaClient } from '../../../local/kafka/client.ts';
import { startConnect } from '../../../local/kafka/connect.ts';
import type { KafkaSoftware } from '../../../local/kafka/software.ts';
import { createTopics, withAdmin } from '../../../local/kafka/topics.ts';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { requireEqual } from '../apply/content.ts';
import type { Contestant } from '../apply/contestant.ts';
import { type Changes, until, writeChanges } from '../apply/native.ts';
import { greatestId } from './plain-table.ts';

/** A broker, and a Connect worker with Debezium's source and sink. */
export type JdbcPlace = { readonly connectUrl: string; readonly kafka: Kafka; readonly stop: () => Promise<void> };

export async function startJdbcPlace(software: KafkaSoftware): Promise<JdbcPlace> {
  const broker = await startBroker({ software, compiler: 'peak' });
  const worker = await startConnect({ software, broker, compiler: 'peak' });
  const kafka = kafkaClient({ bootstrap: broker.bootstrap });
  return {
    connectUrl: worker.url,
    kafka,
    stop: async () => {
      closeClient(kafka);
      await worker.stop();
      await broker.stop();
    },
  };
}

type Settings = Readonly<Record<string, string>>;

export type JdbcSinkOptions = {
  readonly name: string;
  /** The database with the plain table on both clusters; also the topics' prefix. */
  readonly database: string;
  readonly changes: Changes;
  /** How rows are written: settings of the sink, and parameters of its connection's URL. */
  readonly writing: Settings;
  readonly parameters: string;
};

/**
 * Debezium's source connector with its ordinary settings fills a topic of one partition while the sink is paused; the time is
 * that from resuming the sink to its last commit.
 */
export async function createJdbcSink(
  { connectUrl, kafka }: JdbcPlace,
  publisher: Cluster,
  subscriber: Cluster,
  options: JdbcSinkOptions,
): Promise<Contestant> {
  const { name, database, changes } = options;
  const [source, target] = [publisher, subscriber].map((cluster) => connect({ url: cluster.url(database) })) as [
    Sql,
    Sql,
  ];
  const topics = ['users', 'marker'].map((table) => `${database}.public.${table}`) as [string, string];
  await createTopics(
    kafka,
    topics.map((topic) => ({ name: topic, partitions: 1, replicationFactor: 1, configs: {} })),
  );
  const url = connectUrl;
  await registerConnector({ url, name: `${database}-source`, settings: sourceSettings(publisher, database) });
  const sink = `${database}-sink`;
  await registerConnector({ url, name: sink, settings: sinkSettings(subscriber, topics[0], options) });
  return {
    name,
    database,
    async queue() {
      await turn(url, sink, 'pause', 'PAUSED');
      const written = await writeChanges(source, changes);
      const [marker] = await source.unsafe<{ records: number }[]>('select sum(value)::int as records from marker');
      // The markers are written last, and so captured last.
      await until(
        async () => (await recordsIn(kafka, topics[1])) >= (marker?.records ?? Number.POSITIVE_INFINITY),
        PATIENT_POLL_MS,
      );
      return written;
    },
    async apply() {
      const last = await greatestId(source);
      const failure = watchFailure(url, sink);
      const start = performance.now();
      await call(url, `/connectors/${sink}/resume`, { method: 'PUT' });
      await until(async () => {
        await failure();
        return (await greatestId(target)) >= last;
      });
      const seconds = (performance.now() - start) / 1000;
      await requireEqual(name, source, target);
      return seconds;
    },
    close: async () => {
      await Promise.all([source.end(), target.end()]);
    },
  };
}

const sourceSettings = ({ host, port }: Cluster, database: string): Settings => ({
  'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
  'tasks.max': '1',
  'topic.prefix': database,
  'database.hostname': host,
  'database.port': String(port),
  'database.dbname': database,
  'database.user': 'postgres',
  'database.password': 'none',
  'plugin.name': 'pgoutput',
  'slot.name': `debezium_${database}`,
  'publication.autocreate.mode': 'filtered',
  'table.include.list': 'public.users,public.marker',
  'snapshot.mode': 'no_data',
  // With the others the sink's unnest refuses dates: it binds them as a number or a text without a cast.
  'time.precision.mode': 'connect',
  ...CONVERTERS,
});

const sinkSettings = (
  { host, port }: Cluster,
  topic: string,
  { database, writing, parameters }: JdbcSinkOptions,
): Settings => ({
  'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
  // One partition has one reader.
  'tasks.max': '1',
  topics: topic,
  'connection.url': `jdbc:postgresql://${host}:${port}/${database}?${parameters}`,
  'connection.username': 'postgres',
  'connection.password': 'none',
  'collection.name.format': 'users',
  'insert.mode': 'upsert',
  'primary.key.mode': 'record_key',
  'delete.enabled': 'true',
  'schema.evolution': 'none',
  'batch.size': String(BATCH),
  'use.reduction.buffer': 'true',
  // Connect hands the sink what one poll gave: by default 500 records.
  'consumer.override.max.poll.records': String(BATCH),
  'consumer.override.max.partition.fetch.bytes': String(FETCH_BYTES),
  'consumer.override.fetch.max.bytes': String(FETCH_BYTES),
  ...writing,
  ...CONVERTERS,
});

const BATCH = 5000;
const FETCH_BYTES = 32 * 2 ** 20;

/** The sink learns the columns' types from the schema that travels with each record. */
const CONVERTERS: Settings = Object.fromEntries(
  ['key.converter', 'value.converter'].flatMap((converter) => [
    [converter, 'org.apache.kafka.connect.json.JsonConverter'],
    [`${converter}.schemas.enable`, 'true'],
  ]),
);

/** Pauses or resumes a connector and waits until its tasks say so. */
async function turn(url: string, name: string, action: 'pause' | 'resume', state: State): Promise<void> {
  await call(url, `/connectors/${name}/${action}`, { method: 'PUT' });
  const failure = watchFailure(url, name);
  await until(async () => {
    await failure();
    const status = await connectorStatus(url, name);
    return status !== undefined && status.tasks.length > 0 && status.tasks.every((task) => task.state === state);
  }, PATIENT_POLL_MS);
}

/** For what is not timed: each question costs the worker and the broker more than one to a database. */
const PATIENT_POLL_MS = 100;

const FAILURE_POLL_MS = 1000;

/** Throws what has ended a connector; asks once a second. */
function watchFailure(url: string, name: string): () => Promise<void> {
  let nextMs = 0;
  return async () => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + FAILURE_POLL_MS;
    const failed = failedPart(await connectorStatus(url, name));
    if (failed !== undefined) throw new Error(`'${name}' failed\n  ${firstLines(failed.trace ?? '')}`);
  };
}

async function recordsIn(kafka: Kafka, topic: string): Promise<number> {
  const ends = await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic));
  return ends.reduce((sum, { high }) => sum + Number(high), 0);
}
