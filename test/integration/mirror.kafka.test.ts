import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Topology, topicOf } from '@concord/events';
import kafkajs, { type AclEntry, type Kafka, type Message } from 'kafkajs';
import { mirrorName, mirrorSettings } from '../../connector/mirror.ts';
import { type ReplicationFlow, replicationFlows } from '../../connector/replication.ts';
import { registerConnector, reportedSettings } from '../../connector/rest.ts';
import { topicSettings } from '../../connector/topics.ts';
import { passwordExpression, workerSettings } from '../../connector/worker.ts';
import { type Broker, startBroker } from '../../local/kafka/broker.ts';
import { closeClient, kafkaClient } from '../../local/kafka/client.ts';
import { type ConnectWorker, startConnect } from '../../local/kafka/connect.ts';
import { type KafkaSoftware, kafkaSoftware } from '../../local/kafka/software.ts';
import { createTopics, withAdmin } from '../../local/kafka/topics.ts';
import { readTopic } from '../support/debezium.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import { topologyOf } from '../support/regions.ts';
import { useSecretsManager } from '../support/secrets-manager.ts';

/** A region's cluster, and the worker beside it that writes to it. */
type Place = {
  readonly broker: Broker;
  readonly kafka: Kafka;
  readonly worker: ConnectWorker;
};

const HUB = 'mirror-hub';
const SPOKE = 'mirror-a';
/** Its cluster is not there: its topic lies at the hub as it would have come. */
const OTHER = 'mirror-b';
const PARTITIONS = 4;
const ACCOUNT = { name: 'mirror', password: 'read "only" \\ here' };
const POLL_MS = 50;
const { Partitioners, AclResourceTypes, AclOperationTypes, AclPermissionTypes, ResourcePatternTypes } = kafkajs;

const secretsManager = useSecretsManager();
const secret = secretsManager.create('AmazonMSK_mirror', { username: ACCOUNT.name, password: 'nothing yet' });

/** Waits until a topic has as many records, and reads it. */
async function arrived(kafka: Kafka, region: string, count: number) {
  for (;;) {
    const records = await readTopic(kafka, topicOf(region));
    if (records.length >= count) return records;
    await delay(POLL_MS);
  }
}

async function produce(kafka: Kafka, topic: string, messages: Message[]): Promise<void> {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, messages });
  await producer.disconnect();
}

/** Of every kind: keys that hash elsewhere, no key, no value, bytes that are no text, headers. */
const messagesOf = (region: string, from: number, count: number): Message[] =>
  Array.from({ length: count }, (_, index) => ({
    partition: (from + index) % PARTITIONS,
    key: index % 7 === 6 ? null : Buffer.from([index % 256, 0xff, 0x00]),
    value: index % 5 === 4 ? null : Buffer.from(`${region} ${from + index} \u{1f418} ${'x'.repeat(index * 10)}`),
    headers: { n: String(from + index) },
    timestamp: String(1_700_000_000_000 + index),
  }));

const may = (topic: string): AclEntry => ({
  resourceType: AclResourceTypes.TOPIC,
  resourcePatternType: ResourcePatternTypes.LITERAL,
  permissionType: AclPermissionTypes.ALLOW,
  ...{ host: '*', principal: `User:${ACCOUNT.name}`, operation: AclOperationTypes.READ, resourceName: topic },
});

describe('MirrorMaker between a hub and a spoke', { skip: kafkaOrSkip() }, () => {
  const places = new Map<string, Place>();
  const written = new Map<string, number>();
  const topology: Topology = {
    ...topologyOf({ names: [HUB, SPOKE, OTHER], tables: [] }),
    topics: { partitions: PARTITIONS, retentionHours: 168 * 1000 },
  };
  const flows = replicationFlows(topology).filter(({ from, into }) => from !== OTHER && into !== OTHER);
  const placeOf = (region: string): Place => places.get(region) ?? assert.fail(region);

  before(async () => {
    // The config provider puts a value into the setting as it is.
    secretsManager.put(secret, 'AWSCURRENT', { password: ACCOUNT.password.replace(/["\\]/g, '\\$&') });
    const software = await kafkaSoftware();
    await Promise.all([HUB, SPOKE].map(async (region) => places.set(region, await startPlace(software, region))));
  });
  after(async () => {
    for (const { broker, kafka, worker } of places.values()) {
      await worker.stop();
      closeClient(kafka);
      await broker.stop();
    }
  });

  async function startPlace(software: KafkaSoftware, region: string): Promise<Place> {
    const broker = await startBroker({ software, accounts: [ACCOUNT] });
    const kafka = kafkaClient({ bootstrap: broker.bootstrap });
    const topics = topology.regions.map(({ name }) => topicSettings(topology, name, { replicationFactor: 1 }));
    // A name that begins like a region's.
    const decoy = { ...topicSettings(topology, region, { replicationFactor: 1 }), name: `${topicOf(region)}-old` };
    await createTopics(kafka, [...topics, decoy]);
    await produce(kafka, decoy.name, [{ value: 'stays here' }]);
    const read = flows.find(({ from }) => from === region)?.topics ?? [];
    await withAdmin(kafka, (admin) => admin.createAcls({ acl: read.map(may) }));
    const endpoint = secretsManager.environment().AWS_ENDPOINT_URL_SECRETS_MANAGER;
    const properties = workerSettings({ region: 'eu-west-1', endpoint, offsetTopic: `concord-offsets-${region}` });
    return { broker, kafka, worker: await startConnect({ software, broker, properties }) };
  }
  async function write(at: string, region: string, count: number): Promise<void> {
    const from = written.get(region) ?? 0;
    await produce(placeOf(at).kafka, topicOf(region), messagesOf(region, from, count));
    written.set(region, from + count);
  }
  async function mirror(flow: ReplicationFlow): Promise<void> {
    const { secure } = placeOf(flow.from).broker;
    const login = { user: ACCOUNT.name, password: passwordExpression(secret), rootCertFile: secure.caFile };
    const settings = mirrorSettings({
      ...{ topology, flow, refreshSeconds: 1, replicationFactor: 1 },
      from: { bootstrap: secure.bootstrap, login },
      into: { bootstrap: placeOf(flow.into).broker.bootstrap, login: 'none' },
    });
    await registerConnector({ url: placeOf(flow.into).worker.url, name: mirrorName(flow), settings, replace: true });
  }
  /** Every topic is the same on both sides: records, their partitions, their order, and their number. */
  async function assertEqual(): Promise<void> {
    for (const region of [HUB, SPOKE, OTHER]) {
      const count = written.get(region) ?? 0;
      const [here, there] = await Promise.all([HUB, SPOKE].map((at) => arrived(placeOf(at).kafka, region, count)));
      assert.equal(here?.length, count, `${topicOf(region)} at the hub`);
      assert.deepEqual(there, here, topicOf(region));
    }
  }

  test('copies what was there, in both directions, bytes, partitions and offsets alike', async () => {
    await write(SPOKE, SPOKE, 200);
    await write(HUB, HUB, 100);
    await write(HUB, OTHER, 100);
    await Promise.all(flows.map(mirror));
    await assertEqual();
    const config = await reportedSettings(placeOf(SPOKE).worker.url, mirrorName({ from: HUB, into: SPOKE }));
    assert.doesNotMatch(JSON.stringify(config), /read \\*"only/);
  });

  test('copies what is written while both directions run: nothing twice, nothing comes back', async () => {
    for (let round = 0; round < 5; round++) {
      await Promise.all([write(SPOKE, SPOKE, 50), write(HUB, HUB, 50), write(HUB, OTHER, 50)]);
      await assertEqual();
    }
  });

  test('goes on where it was after an orderly restart of the workers', async () => {
    await Promise.all([...places.values()].map(({ worker }) => worker.kill('SIGTERM')));
    await Promise.all([write(SPOKE, SPOKE, 50), write(HUB, HUB, 50), write(HUB, OTHER, 50)]);
    await Promise.all([...places.values()].map(({ worker }) => worker.start()));
    await assertEqual();
  });

  test('makes no topic but its own, and copies none that is not of the list', async () => {
    for (const [at, other] of [
      [HUB, SPOKE],
      [SPOKE, HUB],
    ] as const) {
      const topics = await withAdmin(placeOf(at).kafka, (admin) => admin.listTopics());
      const expected = [
        ...[HUB, SPOKE, OTHER, `${at}-old`].map(topicOf),
        `concord-offsets-${at}`,
        `mm2-offset-syncs.${other}.internal`,
      ];
      assert.deepEqual(topics.filter((topic) => !topic.startsWith('_')).sort(), expected.sort());
    }
  });

  test("a list with the region's own topic would go round for ever, which MirrorMaker does not notice", async () => {
    const [flow] = flows.filter(({ into }) => into === SPOKE);
    assert.ok(flow);
    await withAdmin(placeOf(HUB).kafka, (admin) => admin.createAcls({ acl: [may(topicOf(SPOKE))] }));
    await mirror({ ...flow, topics: [...flow.topics, topicOf(SPOKE)] });
    await arrived(placeOf(SPOKE).kafka, SPOKE, 3 * (written.get(SPOKE) ?? 0));
  });
});
