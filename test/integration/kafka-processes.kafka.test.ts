import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { type Account, attachBroker, type Broker, startBroker } from '../../local/kafka/broker.ts';
import { kafkaClient } from '../../local/kafka/client.ts';
import { type ConnectWorker, startConnect } from '../../local/kafka/connect.ts';
import { type KafkaSoftware, kafkaSoftware } from '../../local/kafka/software.ts';
import { createTopics } from '../../local/kafka/topics.ts';
import { findLeftovers, removeLeftovers } from '../../local/postgres/leftovers.ts';
import { isAlive } from '../../local/process/process-table.ts';
import { temporaryDirectory } from '../../local/process/server-user.ts';
import { readTopic } from '../support/debezium.ts';
import { kafkaOrSkip } from '../support/kafka.ts';

const skip = kafkaOrSkip();
const MAX_RESIDENT_BYTES = 400_000_000;
const TOPIC = 'processes';
const READER: Account = { name: 'reader', password: 'right' };

describe('a broker and a Connect worker of this process', { skip }, () => {
  let [software, broker, connect]: [KafkaSoftware?, Broker?, ConnectWorker?] = [];
  const theBroker = (): Broker => broker ?? assert.fail('the broker did not start');
  const theConnect = (): ConnectWorker => connect ?? assert.fail('Connect did not start');
  before(async () => {
    software = await kafkaSoftware();
    broker = await startBroker({ software, accounts: [READER] });
    const { admin, caFile } = broker.secure;
    // On the secure listener: what the worker itself writes and reads needs no other way in.
    connect = await startConnect({
      software,
      broker,
      security: { user: admin.name, password: admin.password, caFile },
    });
    const topic = { name: TOPIC, partitions: 1, replicationFactor: 1, configs: {} };
    await createTopics(kafkaClient({ bootstrap: broker.bootstrap }), [topic]);
  });
  after(async () => {
    await connect?.stop();
    await broker?.stop();
  });

  test('the worker has our plugin', async () => {
    const response = await fetch(`${theConnect().url}/connector-plugins`);
    const plugins = (await response.json()) as { class: string }[];
    assert.ok(plugins.some(({ class: name }) => name === 'io.debezium.connector.postgresql.PostgresConnector'));
  });

  test('a broker that got SIGKILL starts again with its ports and its data', async () => {
    const { bootstrap, pid, kill, start } = theBroker();
    const first = pid();
    await write(bootstrap, 'before SIGKILL');
    await kill('SIGKILL');
    assert.equal(pid(), null);
    assert.equal(isAlive(first ?? 0), false);
    await start();
    assert.notEqual(pid(), first);
    assert.deepEqual(await readAll(bootstrap), ['before SIGKILL']);
  });

  test('who did not start the broker can end it and start it again, by its directory', async () => {
    const other = attachBroker(theBroker().directory);
    assert.deepEqual([other.bootstrap, other.secure], [theBroker().bootstrap, theBroker().secure]);
    assert.equal(other.pid(), theBroker().pid());
    await write(other.bootstrap, 'before SIGTERM');
    await other.kill('SIGTERM');
    assert.equal(theBroker().pid(), null);
    await other.start();
    assert.notEqual(theBroker().pid(), null);
    assert.equal(theBroker().pid(), other.pid());
    assert.deepEqual(await readAll(theBroker().bootstrap), ['before SIGKILL', 'before SIGTERM']);
  });

  test('a worker that got SIGKILL starts again at its URL', async () => {
    const { url, pid, kill, start } = theConnect();
    const first = pid();
    await kill('SIGKILL');
    assert.equal(isAlive(first ?? 0), false);
    await assert.rejects(fetch(url));
    await start();
    assert.notEqual(pid(), first);
    assert.deepEqual(await (await fetch(`${url}/connectors`)).json(), []);
  });

  test('both take less than 400 MB', { skip: process.platform !== 'linux' }, () => {
    for (const resident of [theBroker().residentBytes(), theConnect().residentBytes()])
      assert.ok(resident !== undefined && resident > 0 && resident < MAX_RESIDENT_BYTES, `${resident} bytes`);
  });

  test('an account logs in with its own password only, and with TLS only', async () => {
    const { bootstrap, caPem, admin } = theBroker().secure;
    const login = async (name: string, password: string, pem = caPem): Promise<string> => {
      const client = kafkaClient({ bootstrap, retries: 0, secure: { caPem: pem, name, password } }).admin();
      try {
        await client.connect();
        return 'in';
      } catch (error) {
        return (error as Error).name;
      } finally {
        await client.disconnect();
      }
    };
    assert.equal(await login(READER.name, READER.password), 'in');
    assert.equal(await login(admin.name, admin.password), 'in');
    assert.equal(await login(READER.name, 'wrong'), 'KafkaJSSASLAuthenticationError');
    assert.equal(await login(admin.name, READER.password), 'KafkaJSSASLAuthenticationError');
    assert.equal(await login('nobody', READER.password), 'KafkaJSSASLAuthenticationError');
    assert.notEqual(await login(READER.name, READER.password, ''), 'in');
    await assert.rejects(listTopics(bootstrap), 'the secure listener takes no plain connection');
  });

  test('an account has no rights until a rule gives it some', async () => {
    const { bootstrap, caPem } = theBroker().secure;
    const admin = kafkaClient({ bootstrap, retries: 0, secure: { caPem, ...READER } }).admin();
    await admin.connect();
    try {
      assert.ok(!(await admin.listTopics()).includes(TOPIC));
      await assert.rejects(admin.createTopics({ topics: [{ topic: 'of-reader' }] }));
    } finally {
      await admin.disconnect();
    }
    assert.ok(!(await listTopics(theBroker().bootstrap)).includes('of-reader'));
  });

  test('topics come into being only when somebody makes them', async () => {
    const producer = kafkaClient({ bootstrap: theBroker().bootstrap, retries: 0 }).producer();
    await producer.connect();
    try {
      await assert.rejects(producer.send({ topic: 'nobody-made-it', messages: [{ value: 'x' }] }));
    } finally {
      await producer.disconnect();
    }
    assert.ok(!(await listTopics(theBroker().bootstrap)).includes('nobody-made-it'));
  });

  test('a start that fails says what the program said', async () => {
    const broken = { ...(software ?? assert.fail()), classPath: join(theBroker().directory, 'no-jars', '*') };
    await assert.rejects(startConnect({ software: broken, broker: theBroker() }), /ConnectDistributed.*main class/s);
  });

  test('stop ends the processes and deletes their folders', async () => {
    const pids = [theBroker().pid(), theConnect().pid()];
    assert.ok(pids.every((pid) => pid !== null && isAlive(pid)));
    await theConnect().kill('SIGTERM');
    assert.equal(theConnect().pid(), null);
    await theConnect().stop();
    await theBroker().stop();
    assert.ok(pids.every((pid) => pid !== null && !isAlive(pid)));
    assert.equal(existsSync(theBroker().directory), false);
  });
});

describe('what another process owns', { skip }, () => {
  let base: string;
  before(() => {
    base = mkdtempSync(join(temporaryDirectory(), 'concord-test-'));
    chmodSync(base, 0o755);
  });
  after(() => rmSync(base, { recursive: true, force: true }));
  const nothingLeft = ({ pids }: Owner): void => {
    assert.deepEqual(pids.filter(isAlive), []);
    assert.deepEqual(readdirSync(base), []);
  };

  test('ends with it at Ctrl-C', async () => {
    const owner = await startOwner(base);
    owner.child.kill('SIGINT');
    await owner.ended;
    nothingLeft(owner);
  });

  test('ends with it after an uncaught exception', async () => {
    const owner = await startOwner(base);
    owner.child.send('throw');
    const [code] = await owner.ended;
    assert.notEqual(code, 0);
    nothingLeft(owner);
  });

  test('outlives its SIGKILL, and is removed as a leftover', async () => {
    const owner = await startOwner(base, true);
    assert.equal(owner.pids.length, 2);
    owner.child.kill('SIGKILL');
    await owner.ended;
    assert.deepEqual(owner.pids.filter(isAlive), owner.pids);
    assert.equal(findLeftovers(base).length, 1);
    const [removal] = await removeLeftovers(base);
    assert.equal(removal?.problem, null);
    nothingLeft(owner);
  });
});

type Owner = {
  readonly child: ChildProcess;
  readonly pids: readonly number[];
  /** Exit code and signal. */
  readonly ended: Promise<unknown[]>;
};

const local = new URL('../../local/', import.meta.url);

/** A process with the temporary folder `base`, a broker and, if wanted, a Connect worker. */
async function startOwner(base: string, withConnect = false): Promise<Owner> {
  const source = `
    import { startBroker } from '${local}kafka/broker.ts';
    import { startConnect } from '${local}kafka/connect.ts';
    import { kafkaSoftware } from '${local}kafka/software.ts';
    const software = await kafkaSoftware();
    const broker = await startBroker({ software });
    const connect = ${withConnect} ? await startConnect({ software, broker }) : undefined;
    console.log(JSON.stringify([broker.pid(), ...(connect ? [connect.pid()] : [])]));
    process.on('message', (text) => { throw new Error(text); });`;
  const { JAVA_HOME = '', PATH = '' } = process.env;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    env: { TMPDIR: base, PATH, ...(JAVA_HOME && { JAVA_HOME }) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended = once(child, 'close');
  after(async () => {
    child.kill('SIGKILL');
    await ended;
    await removeLeftovers(base);
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const { value, done } = await createInterface(child.stdout ?? assert.fail())
    [Symbol.asyncIterator]()
    .next();
  if (done) throw new Error(`the owner ended early: ${errors}`);
  return { child, ended, pids: JSON.parse(value) };
}

async function listTopics(bootstrap: string): Promise<string[]> {
  const admin = kafkaClient({ bootstrap, retries: 0 }).admin();
  try {
    await admin.connect();
    return await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
}

async function write(bootstrap: string, value: string): Promise<void> {
  const producer = kafkaClient({ bootstrap }).producer();
  await producer.connect();
  await producer.send({ topic: TOPIC, acks: -1, messages: [{ value }] });
  await producer.disconnect();
}

/** All values of the topic as it stands now: by the source that outlives a broker's restart, where a plain consumer may end. */
async function readAll(bootstrap: string): Promise<(string | undefined)[]> {
  const records = await readTopic(kafkaClient({ bootstrap }), TOPIC);
  return records.map(({ value }) => value?.toString());
}
