import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isHeartbeatKey, topicOf } from '@concord/events';
import type { Kafka } from 'kafkajs';
import { connectorName, slotName } from '../../connector/names.ts';
import {
  connectorStatus,
  registerConnector,
  removeConnector,
  reportedSettings,
  validate,
} from '../../connector/rest.ts';
import { connectorSettings, type SourceDatabase } from '../../connector/settings.ts';
import { topicSettings } from '../../connector/topics.ts';
import { passwordExpression, workerSettings } from '../../connector/worker.ts';
import { prepareSlot } from '../../functions/enroll/slot.ts';
import { databaseOf } from '../../local/carrier/kafka.ts';
import { closeClient, kafkaClient } from '../../local/kafka/client.ts';
import { type ConnectWorker, startConnect } from '../../local/kafka/connect.ts';
import { createTopics, deleteTopic } from '../../local/kafka/topics.ts';
import { useCluster } from '../support/cluster.ts';
import { readTopic } from '../support/debezium.ts';
import { kafkaOrSkip, useKafka } from '../support/kafka.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { useSecretsManager } from '../support/secrets-manager.ts';

type Settings = Readonly<Record<string, string>>;

const NAME = 'secrets-a';
const CONNECTOR = connectorName(NAME);
const SLOT = slotName(NAME);
const TOPIC = topicOf(NAME);
const AWS_REGION = 'eu-west-1';
const OFFSETS = 'concord-offsets-secrets-a';
const POLL_MS = 50;

/** Asks again until there is an answer; the test runner's timeout is the limit. */
async function eventually<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await delay(POLL_MS);
  }
}

const cluster = useCluster('18');
const kafka = useKafka();
const secretsManager = useSecretsManager();
const ARN = secretsManager.create('concord/capture-AbCdEf', {});

describe('the password of the connector on a worker configured as on MSK Connect', { skip: kafkaOrSkip() }, () => {
  let [worker, client, region] = [] as unknown as [ConnectWorker, Kafka, Region];
  let count = 0;
  const endpoint = (): string => secretsManager.environment().AWS_ENDPOINT_URL_SECRETS_MANAGER ?? '';
  const reads = (): number => secretsManager.calls.filter((call) => call.startsWith('GetSecretValue')).length;

  before(async () => {
    const { software, broker } = await kafka();
    client = kafkaClient({ bootstrap: broker.bootstrap });
    region = await createRegion(await cluster(), {
      names: [NAME],
      schema: 'create table notes (id int primary key, body text)',
      tables: ['public.notes'],
    });
    const properties = workerSettings({ region: AWS_REGION, endpoint: endpoint(), offsetTopic: OFFSETS });
    worker = await startConnect({ software, broker, properties });
    await createTopics(client, [topicSettings(region.topology, NAME, { replicationFactor: 1 })]);
    await prepareSlot(region.sql, SLOT, 'concord', true);
    await requirePassword();
  });
  after(async () => {
    await worker?.stop();
    if (client === undefined) return;
    for (const topic of [TOPIC, OFFSETS]) await deleteTopic(client, topic);
    closeClient(client);
  });

  /** From now on the database asks the connector's role for its password. */
  async function requirePassword(): Promise<void> {
    const rules = join((await cluster()).dataDir, 'pg_hba.conf');
    const trusting = await readFile(rules, 'utf8');
    await writeFile(rules, `host all concord_capture 127.0.0.1/32 scram-sha-256\n${trusting}`);
    await region.sql`select pg_reload_conf()`;
    await rotate('first');
  }
  /** As the rotation does: the role and the secret. */
  async function rotate(password: string): Promise<void> {
    await region.sql.unsafe(`alter role concord_capture password '${password}'`);
    secretsManager.put(ARN, 'AWSCURRENT', { username: 'concord_capture', password });
  }
  const settingsWith = (password: SourceDatabase['password']): Settings => {
    const database = { ...databaseOf(region.database.url('concord_capture')), password };
    return connectorSettings({ topology: region.topology, region: NAME, database, heartbeatMs: 300 });
  };
  const register = (settings: Settings): Promise<unknown> =>
    registerConnector({ url: worker.url, name: CONNECTOR, settings, replace: true });
  const secret = () => ({ id: ARN, region: AWS_REGION, endpoint: endpoint() });

  /** Writes a row and waits until it is in the topic. */
  async function assertCaptures(): Promise<void> {
    const body = `row ${++count}`;
    await region.sql`insert into notes values (${count}, ${body})`;
    await eventually(async () => {
      const records = (await readTopic(client, TOPIC)).filter(({ key }) => !isHeartbeatKey(key));
      return records.some(({ value }) => String(value).includes(`"${body}"`));
    });
  }
  /** Ends what the connector has open, as a database that restarts or fails over does. */
  const disconnect = () =>
    region.sql`select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'concord_capture'`;
  const failure = (): Promise<string> =>
    eventually(
      async () => (await connectorStatus(worker.url, CONNECTOR))?.tasks.find((t) => t.state === 'FAILED')?.trace,
    );
  const passwords = async (): Promise<string> =>
    JSON.stringify([await reportedSettings(worker.url, CONNECTOR), await worker.log()]);

  test('an expression with an ARN is resolved by the worker, and only there', async () => {
    const settings = settingsWith(passwordExpression(ARN));
    assert.deepEqual((await validate(worker.url, settings)).errors, []);
    await register(settings);
    await assertCaptures();
    assert.ok(reads() > 0);
    assert.equal((await reportedSettings(worker.url, CONNECTOR))?.['database.password'], `\${secrets:${ARN}:password}`);
    assert.doesNotMatch(await passwords(), /first/);
  });

  test('with an expression, a rotation ends the capture at the next lost connection, until a restart', async () => {
    await rotate('second');
    await assertCaptures();
    await disconnect();
    assert.match(await failure(), /password authentication failed for user "concord_capture"/);
    await register(settingsWith(passwordExpression(ARN)));
    await assertCaptures();
  });

  test('a secret that is not there, or lacks the key, fails the registration with the reason', async () => {
    const named = (expression: string) => register(settingsWith(expression));
    await assert.rejects(
      named(passwordExpression('concord/absent')),
      /secret 'concord\/absent' is not there in eu-west-1/,
    );
    await assert.rejects(named(`\${secrets:${ARN}:pass}`), ({ message }: Error) => {
      assert.match(message, /has no key 'pass': its keys are \[username, password\]/);
      assert.doesNotMatch(message, /second/);
      return true;
    });
  });

  test('a secret that the driver reads needs no restart after a rotation', async () => {
    await removeConnector(worker.url, CONNECTOR);
    const settings = settingsWith(secret());
    assert.deepEqual((await validate(worker.url, settings)).errors, []);
    await register(settings);
    await assertCaptures();
    for (const password of ['third', 'fourth']) {
      await rotate(password);
      const asked = reads();
      await disconnect();
      await assertCaptures();
      assert.ok(reads() > asked);
    }
    assert.doesNotMatch(await passwords(), /third|fourth/);
  });

  test('a connection in the middle of a rotation, or of one that was given up, uses the password that works', async () => {
    const current = secretsManager.read(ARN, 'AWSCURRENT');
    const pending = { username: 'concord_capture', password: 'on its way' };
    secretsManager.put(ARN, 'AWSPENDING', pending);
    await disconnect();
    await assertCaptures();
    await region.sql.unsafe(`alter role concord_capture password '${pending.password}'`);
    await disconnect();
    await assertCaptures();
    assert.deepEqual(secretsManager.read(ARN, 'AWSCURRENT'), current, 'the label has moved');
    secretsManager.put(ARN, 'AWSCURRENT', pending);
    await disconnect();
    await assertCaptures();
  });

  test('while the secret cannot be read, a connection that is lost is tried again without end', async () => {
    secretsManager.denied.add(ARN);
    const asked = reads();
    await disconnect();
    await eventually(async () => reads() >= asked + 3);
    assert.deepEqual(
      (await connectorStatus(worker.url, CONNECTOR))?.tasks.map(({ state }) => state),
      ['RUNNING'],
    );
    secretsManager.denied.delete(ARN);
    await assertCaptures();
  });

  test('while the database refuses the password of the secret, a connection that is lost is tried again without end', async () => {
    await region.sql.unsafe(`alter role concord_capture password 'set by hand'`);
    const asked = reads();
    await disconnect();
    await eventually(async () => reads() >= asked + 6);
    assert.deepEqual(
      (await connectorStatus(worker.url, CONNECTOR))?.tasks.map(({ state }) => state),
      ['RUNNING'],
    );
    await rotate('as the secret says');
    await assertCaptures();
  });
});
