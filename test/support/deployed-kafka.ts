import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { groupOf, type Topology, topicOf } from '@concord/events';
import type { Kafka } from 'kafkajs';
import { connectorName, slotName } from '../../connector/names.ts';
import { connectorStatus, failedPart, firstLines, registerConnector, removeConnector } from '../../connector/rest.ts';
import { connectorSettings, type PasswordSecret } from '../../connector/settings.ts';
import { topicSettings } from '../../connector/topics.ts';
import { accessRules, applyUser, captureUser } from '../../local/carrier/access.ts';
import type { Account, Broker } from '../../local/kafka/broker.ts';
import { closeClient, kafkaClient } from '../../local/kafka/client.ts';
import { type ConnectWorker, startConnect } from '../../local/kafka/connect.ts';
import type { KafkaSoftware } from '../../local/kafka/software.ts';
import { createTopics, withAdmin } from '../../local/kafka/topics.ts';
import { withConnection } from '../../local/region/connection.ts';
import type { KafkaOfRun } from './kafka.ts';

const run = promisify(execFile);

/** A Kafka that is there already, as users of `kafka: existing` have it: topics, accounts with least privilege, connectors. */
export type DeployedKafka = {
  readonly broker: Broker;
  /** May do everything, by the plain listener. */
  readonly admin: Kafka;
  /** The account of a region's event source mappings. */
  readonly reader: (region: string) => Account;
  /** Begins to capture a region, with the password that its secret holds whenever the connector connects. */
  readonly capture: (options: CaptureOptions) => Promise<void>;
  /** Resolves when all that is committed now in the region's database is in its topic. */
  readonly captured: (region: string, url: string) => Promise<void>;
  /** Writes a record that no capture made to a region's topic. */
  readonly append: (region: string, key: string | null, value: string | null) => Promise<void>;
  /** Removes connectors, topics, groups and accounts. */
  readonly stop: () => Promise<void>;
};

export type CaptureOptions = {
  readonly region: string;
  readonly host: string;
  readonly port: number;
  readonly databaseName: string;
  readonly secret: PasswordSecret;
};

const HEARTBEAT_MS = 1000;
const POLL_MS = 50;

/** `credentials`: AWS's own variables, with which the connectors read their databases' secrets. */
export async function startDeployedKafka(
  { software, broker }: KafkaOfRun,
  topology: Topology,
  credentials: Readonly<Record<string, string>>,
): Promise<DeployedKafka> {
  const regions = topology.regions.map(({ name }) => name);
  const accounts = regions.flatMap((region) => [captureUser(region), applyUser(region)]).map(newAccount);
  const login = (name: string): Account => accounts.find((account) => account.name === name) as Account;
  const admin = kafkaClient({ bootstrap: broker.bootstrap });
  await alterUsers(software, broker, accounts, addPassword);
  await withAdmin(admin, (rules) => rules.createAcls({ acl: accessRules(regions) }));
  await createTopics(
    admin,
    regions.map((name) => topicSettings(topology, name, { replicationFactor: 1 })),
  );
  // A Connect worker inherits the environment of this process.
  Object.assign(process.env, credentials);
  const connect = await startConnect({ software, broker });
  const producer = admin.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  return {
    broker,
    admin,
    reader: (region) => login(applyUser(region)),
    capture: (options) => capture(options, connect, topology, broker, login(captureUser(options.region))),
    captured: (region, url) => captured(region, url, connect),
    append: async (region, key, value) =>
      void (await producer.send({ topic: topicOf(region), messages: [{ key, value }] })),
    stop: async () => {
      for (const region of regions) await removeConnector(connect.url, connectorName(region));
      await connect.stop();
      await producer.disconnect();
      await removeTopics(admin, regions);
      await alterUsers(software, broker, accounts, () => ['--delete-config', 'SCRAM-SHA-512']);
      closeClient(admin);
    },
  };
}

const newAccount = (name: string): Account => ({ name, password: randomBytes(18).toString('base64url') });

const addPassword = ({ password }: Account): string[] => ['--add-config', `SCRAM-SHA-512=[password=${password}]`];

/** kafkajs cannot do this. */
async function alterUsers(
  { java, classPath }: KafkaSoftware,
  { bootstrap }: Broker,
  accounts: readonly Account[],
  change: (account: Account) => readonly string[],
): Promise<void> {
  const jvm = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=error'];
  const command = ['kafka.admin.ConfigCommand', '--bootstrap-server', bootstrap, '--alter', '--entity-type', 'users'];
  await Promise.all(
    accounts.map((account) =>
      run(java, [...jvm, '-cp', classPath, ...command, '--entity-name', account.name, ...change(account)]),
    ),
  );
}

async function removeTopics(kafka: Kafka, regions: readonly string[]): Promise<void> {
  const groups = regions.flatMap((into) => regions.filter((from) => from !== into).map((from) => groupOf(from, into)));
  await withAdmin(kafka, async (admin) => {
    await admin.deleteTopics({ topics: regions.map(topicOf) });
    const { groups: known } = await admin.listGroups();
    await admin.deleteGroups(groups.filter((group) => known.some(({ groupId }) => groupId === group)));
  });
}

async function capture(
  { region, host, port, databaseName, secret }: CaptureOptions,
  connect: ConnectWorker,
  topology: Topology,
  broker: Broker,
  { name: user, password }: Account,
): Promise<void> {
  const settings = connectorSettings({
    ...{ topology, region, heartbeatMs: HEARTBEAT_MS },
    database: { host, port, name: databaseName, user: 'concord_capture', password: secret },
    kafka: { user, password, rootCertFile: broker.secure.caFile, bootstrap: broker.secure.bootstrap },
  });
  await registerConnector({ url: connect.url, name: connectorName(region), settings });
}

/** Debezium confirms an LSN only when Kafka has acknowledged all that was committed before it; a beat gives it something behind. */
const captured = (region: string, url: string, connect: ConnectWorker): Promise<void> =>
  withConnection(url, async (sql) => {
    const [here] = await sql<{ lsn: string }[]>`select pg_current_wal_lsn()::text as lsn`;
    await sql`select concord.beat()`;
    for (;;) {
      const [slot] = await sql<{ flushed: boolean }[]>`
        select confirmed_flush_lsn >= ${here?.lsn ?? ''}::text::pg_lsn as flushed from pg_replication_slots
        where slot_name = ${slotName(region)}`;
      if (slot === undefined) throw new Error(`replication slot '${slotName(region)}' is gone`);
      if (slot.flushed) return;
      const failed = failedPart(await connectorStatus(connect.url, connectorName(region)));
      if (failed !== undefined) throw new Error(`the connector of ${region} failed: ${firstLines(failed.trace ?? '')}`);
      await delay(POLL_MS);
    }
  });
