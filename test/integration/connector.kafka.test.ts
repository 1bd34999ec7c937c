import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isHeartbeatKey, topicOf } from '@concord/events';
import kafkajs from 'kafkajs';
import { checkSettings } from '../../connector/check-settings.ts';
import { connectorName, slotName } from '../../connector/names.ts';
import {
  connectorStatus,
  putConnector,
  registerConnector,
  removeConnector,
  reportedSettings,
  storedOffset,
  validate,
} from '../../connector/rest.ts';
import { connectorSettings } from '../../connector/settings.ts';
import { topicSettings } from '../../connector/topics.ts';
import { prepareSlot } from '../../functions/enroll/slot.ts';
import { databaseOf } from '../../local/carrier/kafka.ts';
import { startConnect } from '../../local/kafka/connect.ts';
import { kafkaSoftware } from '../../local/kafka/software.ts';
import { createTopics, deleteTopic, withAdmin } from '../../local/kafka/topics.ts';
import { topologyJson } from '../../local/region/topology.ts';
import { useCluster } from '../support/cluster.ts';
import { startConcord, temporaryFolder } from '../support/command.ts';
import { type Debezium, readTopic, useDebezium } from '../support/debezium.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import { createRegions, type Region } from '../support/regions.ts';

type Settings = Readonly<Record<string, string>>;
type Problem = { readonly part: string; readonly what: string; readonly reason: string; readonly consequence: string };

const { ConfigResourceTypes } = kafkajs;
const A = 'connector-a';
const B = 'connector-b';
const NAME = connectorName(A);
const SLOT = slotName(A);
const TOPIC = topicOf(A);
const SCHEMA = 'create table notes (id int primary key, body text)';
const HEARTBEAT_MS = 300;
const POLL_MS = 50;

/** Asks again until there is an answer; the test runner's timeout is the limit. */
async function eventually<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await delay(POLL_MS);
  }
}

const without = (settings: Settings, ...names: string[]): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));

const cluster = useCluster('18');
const debezium = useDebezium();
const folder = temporaryFolder();

describe('the connector on a real worker', { skip: kafkaOrSkip() }, () => {
  let [real, a, b, settings] = [] as unknown as [Debezium, Region, Region, Settings];
  const topologyFile = join(folder, 'concord.json');
  const databaseUrl = (): string => a.database.url('concord_capture');

  before(async () => {
    real = await debezium();
    const regions = await createRegions(await cluster(), { names: [A, B], schema: SCHEMA, tables: ['public.notes'] });
    [a, b] = regions as [Region, Region];
    const { topology } = a;
    settings = connectorSettings({
      ...{ topology, region: A, database: databaseOf(databaseUrl()), heartbeatMs: HEARTBEAT_MS },
    });
    await writeFile(topologyFile, topologyJson(topology));
    await createTopics(real.kafka, [topicSettings(topology, A, { replicationFactor: 1 })]);
    await prepareSlot(a.sql, SLOT, 'concord', true);
  });
  after(async () => {
    await removeConnector(real.connect.url, NAME);
    await deleteTopic(real.kafka, TOPIC);
  });

  const registerByCommand = () => {
    const where = ['--region', A, '--topology', topologyFile, '--connect', real.connect.url];
    return startConcord(folder, 'connector', 'register', ...where, '--database', databaseUrl());
  };
  const register = (changes: Settings = {}) =>
    registerConnector({ url: real.connect.url, name: NAME, settings: { ...settings, ...changes } });
  /** What `concord connector check` finds. */
  const check = async (): Promise<Problem[]> => {
    const where = ['--region', A, '--topology', topologyFile, '--connect', real.connect.url];
    const command = startConcord(
      folder,
      ...['connector', 'check', ...where, '--database', databaseUrl(), '--kafka', real.broker.bootstrap],
    );
    const code = await command.ended;
    assert.doesNotMatch(command.stderr(), /^error/m);
    const { problems } = command.lines.at(-1) as { problems: Problem[] };
    assert.equal(code, problems.length === 0 ? 0 : 1);
    return problems;
  };
  /** Why the task failed, once it has. */
  const trace = (name: string): Promise<string> =>
    eventually(async () => {
      const status = await connectorStatus(real.connect.url, name);
      return status?.tasks.find(({ state }) => state === 'FAILED')?.trace;
    });
  /** Removes the connector and waits until its task has let go of the slot. */
  const remove = async (): Promise<void> => {
    await removeConnector(real.connect.url, NAME);
    await eventually(async () => {
      const [slot] = await a.sql`select active from pg_replication_slots where slot_name = ${SLOT}`;
      return slot?.active !== true;
    });
  };
  const flushed = async (): Promise<bigint> => {
    const [slot] = await a.sql<{ at: string }[]>`
      select (confirmed_flush_lsn - '0/0'::pg_lsn)::text as at from pg_replication_slots where slot_name = ${SLOT}`;
    return BigInt(slot?.at ?? 0);
  };

  test('its settings are without fault for the worker, which knows all but four', async () => {
    const { errors, known } = await validate(real.connect.url, settings);
    assert.deepEqual(errors, []);
    // Handed on to the converter, or read by a transform that does not declare them.
    assert.deepEqual(
      Object.keys(settings).filter((setting) => !known.includes(setting)),
      [
        'text.type',
        'text.unavailable.value.placeholder',
        'transforms.route.key.field.name',
        'transforms.unwrap.replace.null.with.default',
      ],
    );
  });

  test('an idle region: a heartbeat in every partition, the slot moves on, Debezium makes no topic', async () => {
    assert.equal(await register(), 'created');
    assert.equal(await register(), 'unchanged');
    await eventually(async () => {
      const records = await readTopic(real.kafka, TOPIC);
      assert.ok(records.every(({ key }) => isHeartbeatKey(key)));
      return new Set(records.map(({ partition }) => partition)).size === a.topology.topics.partitions;
    });
    const before = await flushed();
    await eventually(async () => (await flushed()) > before);
    await withAdmin(real.kafka, async (admin) => {
      assert.deepEqual(
        (await admin.listTopics()).filter((topic) => topic.includes('debezium') || topic.includes(`${A}.`)),
        [],
      );
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.BROKER, name: '1', configNames: ['auto.create.topics.enable'] }],
      });
      assert.equal(resources[0]?.configEntries[0]?.configValue, 'false');
    });
    assert.deepEqual(await check(), []);
  });

  test('a worker without our plugin is refused before anything is registered', async () => {
    const software = await kafkaSoftware();
    const plugins = join(folder, 'plugins', 'debezium');
    await mkdir(plugins, { recursive: true });
    const ours = join(software.pluginPath, 'concord-connector');
    for (const jar of readdirSync(ours).filter((file) => file.endsWith('.jar') && !file.startsWith('concord-')))
      await symlink(join(ours, jar), join(plugins, jar));
    const worker = await startConnect({
      software: { ...software, pluginPath: join(folder, 'plugins') },
      broker: real.broker,
    });
    try {
      await assert.rejects(registerConnector({ url: worker.url, name: NAME, settings }), {
        code: 'plugin_missing',
        message: /io\.concord\.connect\./,
        hint: /plugin ZIP .* converter/,
      });
      assert.equal(await reportedSettings(worker.url, NAME), undefined);
    } finally {
      await worker.stop();
    }
  });

  test('without the converter every record is parked as contract, and the check says why', async () => {
    const bare = without(settings, 'converters', 'text.type', 'text.unavailable.value.placeholder');
    await remove();
    await putConnector(real.connect.url, NAME, bare);
    await a.sql`insert into notes select n, 'number ' || n from generate_series(1, 20) n`;
    const records = await eventually(async () => {
      const found = (await readTopic(real.kafka, TOPIC)).filter(({ key }) => !isHeartbeatKey(key));
      return found.length === 20 && found;
    });
    await b.receive(A, ...records.map(({ key, value }) => ({ key: String(key), value: String(value) })));
    assert.deepEqual(
      [...(await b.sql`select reason, count(*)::int as count from concord.parked group by 1`)],
      [{ reason: 'contract', count: 20 }],
    );
    assert.equal((await b.sql`select from notes`).length, 0);
    const problems = await check();
    assert.deepEqual(
      problems.map(({ part, what }) => `${part} ${what}`),
      ['setting converters', 'setting text.type', 'setting text.unavailable.value.placeholder'],
    );
    assert.match(String(problems[0]?.consequence), /values lose digits/);
  });

  test('a connector that somebody registered with other settings is not touched, and each of them is named', async () => {
    const wrong: Settings = {
      'snapshot.mode': 'initial',
      'publication.name': 'another',
      'skipped.operations': 'none',
      'slot.drop.on.stop': 'true',
      'errors.tolerance': 'all',
    };
    await remove();
    const config = { ...without(settings, 'converters'), ...wrong };
    // Not started, or `snapshot.mode` and `slot.drop.on.stop` would do what they say.
    const response = await fetch(`${real.connect.url}/connectors`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: NAME, config, initial_state: 'STOPPED' }),
    });
    assert.equal(response.status, 201, await response.text());
    const names = ['converters', ...Object.keys(wrong)].sort();
    await assert.rejects(register(), (error: Error & { code: string }) => {
      assert.equal(error.code, 'settings_differ');
      for (const name of names) assert.ok(error.message.includes(name), name);
      return true;
    });
    const reported = await reportedSettings(real.connect.url, NAME);
    const found = checkSettings(settings, reported ?? {});
    assert.deepEqual(found.map(({ setting }) => setting).sort(), names);
    const shown = (await check()).filter(({ part }) => part === 'setting');
    assert.deepEqual(shown.map(({ what }) => what).sort(), names);
    const consequences = Object.fromEntries(shown.map(({ what, consequence }) => [what, consequence]));
    for (const [setting, consequence] of Object.entries({
      converters: /lose digits/,
      'snapshot.mode': /published as if they were written here/,
      'publication.name': /echo/,
      'skipped.operations': /raw deletes/,
      'slot.drop.on.stop': /every change between a stop .* is lost/,
      'errors.tolerance': /the change is lost/,
    }))
      assert.match(consequences[setting] ?? '', consequence);
    assert.equal(await registerConnector({ url: real.connect.url, name: NAME, settings, replace: true }), 'replaced');
    assert.deepEqual(await eventually(async () => (await check()).length === 0 && []), []);
  });

  test('an altered publication is named, and enrolling again mends it', async () => {
    await a.sql.unsafe(`alter publication concord set (publish = 'insert, update, delete')`);
    await a.sql.unsafe('alter publication concord set table notes, concord_public.notes');
    const problems = (await check()).filter(({ part }) => part === 'publication');
    const said = problems.map(({ what, reason, consequence }) => `${what}: ${reason}: ${consequence}`).join('\n');
    assert.match(said, /concord: it publishes deletes: .*rows that were applied/);
    assert.match(said, /public\.notes: its row filter is missing instead of _local: applied rows leave again/);
    assert.match(said, /concord\.heartbeat: it is not published/);
    await a.enroll();
    assert.deepEqual(await check(), []);
  });

  test('a topic with another number of partitions, or compacted, is named', async () => {
    const partitions = a.topology.topics.partitions + 1;
    await withAdmin(real.kafka, async (admin) => {
      await admin.createPartitions({ topicPartitions: [{ topic: TOPIC, count: partitions }] });
      const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
      const resources = [{ type: ConfigResourceTypes.TOPIC, name: TOPIC, configEntries }];
      await admin.alterConfigs({ validateOnly: false, resources });
    });
    const found = await eventually(async () => {
      const problems = (await check()).filter(({ part }) => part === 'topic');
      return problems.length >= 2 && problems;
    });
    const said = found.map(({ what, reason, consequence }) => `${what}: ${reason}: ${consequence}`).join('\n');
    assert.match(said, /partitions: it is 9 and should be 8: rows change their partition/);
    assert.match(said, /cleanup\.policy: it is compact and should be delete: compaction drops versions that lost/);
  });

  test('a slot that was dropped under the connector is named by the check and by Debezium', async () => {
    await eventually(() => storedOffset(real.connect.url, NAME));
    await remove();
    await a.sql`select pg_drop_replication_slot(${SLOT})`;
    const problems = (await check()).filter(({ part }) => part === 'slot');
    assert.match(problems[0]?.reason ?? '', /replication slot 'concord_connector_a' does not exist/);
    const command = registerByCommand();
    assert.equal(await command.ended, 1);
    assert.match(
      command.stderr(),
      /slot 'concord_connector_a' does not exist; nothing was registered\nhint: .*--create-slot/,
    );
    assert.equal(await reportedSettings(real.connect.url, NAME), undefined);
    await assert.rejects(register(), { code: 'failed', message: /no longer available on the server/ });
  });

  test('a missing publication: nothing is registered by the command; a connector that runs fails and says so', async () => {
    await remove();
    await a.sql`alter publication concord rename to another`;
    const command = registerByCommand();
    assert.equal(await command.ended, 1);
    assert.match(command.stderr(), /publication 'concord' does not exist/);
    assert.equal(await reportedSettings(real.connect.url, NAME), undefined);
    // Under another name nothing is stored, so that it comes as far as streaming.
    const [name, slot] = [`${NAME}-2`, `${SLOT}_2`];
    await prepareSlot(a.sql, slot, 'another', true);
    await putConnector(real.connect.url, name, { ...settings, 'slot.name': slot });
    assert.match(await trace(name), /Publication autocreation is disabled, please create one/);
    await removeConnector(real.connect.url, name);
    await a.sql`alter publication another rename to concord`;
  });

  test("a wrong database password: Debezium's reason without the password", async () => {
    const { dataDir } = await cluster();
    const rules = join(dataDir, 'pg_hba.conf');
    const trusting = await readFile(rules, 'utf8');
    await writeFile(rules, `host all concord_capture 127.0.0.1/32 scram-sha-256\n${trusting}`);
    await a.sql`select pg_reload_conf()`;
    await a.sql.unsafe(`alter role concord_capture password 'right-one'`);
    await assert.rejects(register({ 'database.password': 'secret-but-wrong' }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'invalid_settings');
      assert.match(error.message, /password authentication failed for user "concord_capture"/);
      assert.ok(!`${error.stack}${JSON.stringify(error)}`.includes('secret-but-wrong'));
      return true;
    });
    assert.equal(await reportedSettings(real.connect.url, NAME), undefined);
  });
});
