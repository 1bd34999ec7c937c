import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { groupOf, topicOf } from '@concord/events';
import kafkajs, { type AclEntry, type Kafka } from 'kafkajs';
import { connectorName } from '../../connector/names.ts';
import { connectorStatus, reportedSettings, restartConnector, type State } from '../../connector/rest.ts';
import { accessRules, applyUser, captureUser } from '../../local/carrier/access.ts';
import { type KafkaPlace, kafkaCarrier } from '../../local/carrier/kafka.ts';
import { startKafkaPlace } from '../../local/carrier/kafka-place.ts';
import { kafkaClient } from '../../local/kafka/client.ts';
import { withAdmin } from '../../local/kafka/topics.ts';
import { withConnection } from '../../local/region/connection.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import { kafkaOrSkip } from '../support/kafka.ts';

const [A, B] = ['access-a', 'access-b'];
const TABLES = ['public.notes'];
const SCHEMA = 'create table notes (id int primary key, body text)';
const POLL_MS = 50;
const { TOPIC, GROUP } = kafkajs.AclResourceTypes;
const { READ, WRITE } = kafkajs.AclOperationTypes;

/** `TOPIC_AUTHORIZATION_FAILED`, or the name of an error that the broker did not send; undefined when all went well. */
async function refusal(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    for (let cause = error as { type?: string; name: string; cause?: unknown; originalError?: unknown }; ; ) {
      if (cause.type !== undefined) return cause.type;
      const inner = cause.cause ?? cause.originalError;
      if (inner === undefined) return cause.name;
      cause = inner as typeof cause;
    }
  }
}

async function write(kafka: Kafka, topic: string, value = 'x'): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: true });
  await producer.connect();
  try {
    await producer.send({ topic, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
}

/** The first record of a topic. */
async function read(kafka: Kafka, groupId: string, topic: string): Promise<string> {
  const first = Promise.withResolvers<string>();
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  consumer.on('consumer.crash', ({ payload }) => first.reject(payload.error));
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> =>
      first.resolve(String(message.value));
    await consumer.run({ autoCommit: false, eachMessage });
    return await first.promise;
  } finally {
    await consumer.disconnect();
  }
}

describe('a broker with accounts', { skip: kafkaOrSkip() }, () => {
  const warnings: string[] = [];
  const onWarning = (message: string): void => void warnings.push(message);
  let place: KafkaPlace & { stop: () => Promise<void> };
  before(async () => {
    place = await startKafkaPlace({ regions: [A, B], secure: true, onProgress: () => undefined, onWarning });
    await withAdmin(place.admin, (admin) =>
      admin.createTopics({ topics: [A, B].map((region) => ({ topic: topicOf(region), numPartitions: 1 })) }),
    );
  });
  after(() => place?.stop());

  const login = (region: string) => {
    const access = place.captureAccess(region);
    assert.ok(access?.bootstrap && access.rootCertFile);
    return { ...access, bootstrap: access.bootstrap, caPem: readFileSync(access.rootCertFile, 'utf8') };
  };
  const clientAs = (name: string, password: string): Kafka => {
    const { bootstrap, caPem } = login(A);
    return kafkaClient({ bootstrap, secure: { caPem, name, password }, onWarning });
  };
  const captureClient = (region: string): Kafka => clientAs(captureUser(region), login(region).password);
  /** kafkajs keeps what the broker said of a group for its log. */
  const assertGroupRefused = async (work: Promise<unknown>): Promise<void> => {
    warnings.length = 0;
    assert.equal(await refusal(work), 'KafkaJSGroupCoordinatorNotFound');
    assert.match(warnings.join('\n'), /Not authorized to access group/);
  };

  test('what may write a topic writes that one, makes none and reads none', async () => {
    const capture = captureClient(A);
    await write(capture, topicOf(A), 'of A');
    await write(captureClient(B), topicOf(B), 'of B');
    assert.equal(await refusal(write(capture, topicOf(B))), 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(await refusal(write(capture, 'access-new')), 'TOPIC_AUTHORIZATION_FAILED');
    const topics = await withAdmin(place.admin, (admin) => admin.listTopics());
    assert.ok(!topics.includes('access-new'));
    await assertGroupRefused(read(capture, groupOf(A, B), topicOf(A)));
    // With a group of its own it would still not read.
    const group = `capture.${randomUUID()}`;
    const [rule] = accessRules([A, B]);
    await withAdmin(place.admin, (admin) =>
      admin.createAcls({ acl: [{ ...(rule as AclEntry), resourceType: GROUP, resourceName: group, operation: READ }] }),
    );
    assert.equal(await refusal(read(capture, group, topicOf(A))), 'TOPIC_AUTHORIZATION_FAILED');
  });

  test('what may apply reads the topics of others in its own groups, and writes none', async () => {
    const apply = place.clientOf(A);
    assert.equal(await read(apply, groupOf(B, A), topicOf(B)), 'of B');
    await assertGroupRefused(read(apply, groupOf(A, B), topicOf(B)));
    assert.equal(await refusal(read(apply, groupOf(B, A), topicOf(A))), 'TOPIC_AUTHORIZATION_FAILED');
    for (const topic of [topicOf(A), topicOf(B), 'access-new'])
      assert.equal(await refusal(write(apply, topic)), 'TOPIC_AUTHORIZATION_FAILED', topic);
  });

  test('a wrong password and an unknown account are refused', async () => {
    for (const client of [clientAs(applyUser(A), 'wrong'), clientAs('access-nobody', login(A).password)])
      assert.equal(await refusal(client.admin().connect()), 'KafkaJSSASLAuthenticationError');
  });

  /** Waits until the task is in that state. Resolves to its trace, if it has one. */
  const taskIn = async (state: State, name: string): Promise<string> => {
    for (;;) {
      const task = (await connectorStatus(place.connectUrl, name))?.tasks.find(
        (candidate) => candidate.state === state,
      );
      if (task !== undefined) return task.trace ?? '';
      await delay(POLL_MS);
    }
  };

  describe('regions that replicate over it', () => {
    let regions: Regions;
    const sql = (region: string, text: string) =>
      withConnection(regions.named(region).url(), (connection) => connection.unsafe(text));

    before(async () => {
      await withAdmin(place.admin, (admin) => admin.deleteTopics({ topics: [A, B].map(topicOf) }));
      const { template } = await makeTemplate({ database: 'access', load: (db) => db.unsafe(SCHEMA) });
      regions = await startRegions({
        ...{ regions: [A, B], template, tables: TABLES, partitions: 2 },
        carrier: kafkaCarrier(place),
        onWarning,
      });
    });
    after(() => regions?.stop());

    test('a change gets across with these accounts only', async () => {
      const settings = await reportedSettings(place.connectUrl, connectorName(A));
      assert.equal(settings?.['producer.override.security.protocol'], 'SASL_SSL');
      assert.equal(settings?.['producer.override.bootstrap.servers'], login(A).bootstrap);
      await sql(A, `insert into notes values (1, 'from A')`);
      await sql(B, `insert into notes values (2, 'from B')`);
      await regions.drained();
      assert.deepEqual((await regions.compare()).differences, []);
      assert.equal(
        (await sql(B, 'select body from notes order by id')).map(({ body }) => body).join(),
        'from A,from B',
      );
    });

    test('a connector that may not write its topic any more fails and says so; with the rule back nothing is lost', async () => {
      const rules = accessRules([A, B]).filter(
        ({ principal, operation }) => principal === `User:${captureUser(A)}` && operation === WRITE,
      );
      assert.deepEqual(
        rules.map(({ resourceType, resourceName }) => [resourceType, resourceName]),
        [[TOPIC, topicOf(A)]],
      );
      const { filterResponses } = await withAdmin(place.admin, (admin) => admin.deleteAcls({ filters: rules }));
      assert.equal(filterResponses[0]?.matchingAcls.length, 1);
      await sql(A, `insert into notes select n, 'refused at first' from generate_series(10, 59) n`);
      const trace = await taskIn('FAILED', connectorName(A));
      assert.match(trace, /TopicAuthorizationException: Not authorized to access topics: \[cdc\.access-a\]/);
      assert.ok(!trace.includes(login(A).password));
      await withAdmin(place.admin, (admin) => admin.createAcls({ acl: rules }));
      await restartConnector(place.connectUrl, connectorName(A));
      await taskIn('RUNNING', connectorName(A));
      await regions.drained();
      assert.deepEqual((await regions.compare()).differences, []);
      assert.equal((await sql(B, 'select count(*)::int as count from notes'))[0]?.count, 52);
    });
  });
});
