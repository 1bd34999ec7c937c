import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { changeKey, parseTopology, type Topology, tombstoneSchema, topicOf } from '@concord/events';
import { checkSettings, isSecret } from '../../connector/check-settings.ts';
import { connectorName, slotName } from '../../connector/names.ts';
import { connectorSettings, type SourceDatabase } from '../../connector/settings.ts';
import { type ActualTopic, checkTopic, topicSettings } from '../../connector/topics.ts';

const topology = ((): Topology => {
  const result = parseTopology(JSON.parse(readFileSync(new URL('../../concord.json', import.meta.url), 'utf8')));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.topology;
})();
const regions = topology.regions.map(({ name }) => name);

const DATABASE: SourceDatabase = {
  host: 'db.example',
  port: 5432,
  name: 'app',
  user: 'concord_capture',
  password: '${file:/run/secrets/concord:password}',
};
const settingsOf = (region: string, more = {}): Readonly<Record<string, string>> =>
  connectorSettings({ topology, region, database: DATABASE, ...more });

/** Every setting of one region. A change here changes what every region captures: say in the commit what it does to the data. */
const EU_WEST_1: Readonly<Record<string, string>> = {
  'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
  'tasks.max': '1',
  'topic.prefix': 'eu-west-1',
  'database.hostname': 'db.example',
  'database.port': '5432',
  'database.dbname': 'app',
  'database.user': 'concord_capture',
  'database.password': '${file:/run/secrets/concord:password}',
  'database.sslmode': 'disable',
  'plugin.name': 'pgoutput',
  'slot.name': 'concord_eu_west_1',
  'slot.drop.on.stop': 'false',
  'slot.max.retries': '60',
  'slot.retry.delay.ms': '2000',
  'errors.max.retries': '-1',
  'retriable.restart.connector.wait.ms': '2000',
  'lsn.flush.mode': 'connector',
  'publication.name': 'concord',
  'publication.autocreate.mode': 'disabled',
  'snapshot.mode': 'no_data',
  'skipped.operations': 'd,t',
  'tombstones.on.delete': 'false',
  'provide.transaction.metadata': 'false',
  'extended.headers.enabled': 'false',
  converters: 'text',
  'text.type': 'io.concord.connect.TextConverter',
  'text.unavailable.value.placeholder': '__concord_unavailable_b7c0d9e2a1f84f0c',
  'decimal.handling.mode': 'string',
  'time.precision.mode': 'isostring',
  'interval.handling.mode': 'string',
  'binary.handling.mode': 'hex',
  'hstore.handling.mode': 'json',
  'include.unknown.datatypes': 'true',
  'event.converting.failure.handling.mode': 'fail',
  'event.processing.failure.handling.mode': 'fail',
  'unavailable.value.placeholder': '__concord_unavailable_b7c0d9e2a1f84f0c',
  'field.name.adjustment.mode': 'none',
  'schema.name.adjustment.mode': 'none',
  'heartbeat.interval.ms': '5000',
  'heartbeat.action.query': 'select concord.beat()',
  predicates: 'own',
  'predicates.own.type': 'org.apache.kafka.connect.transforms.predicates.TopicNameMatches',
  'predicates.own.pattern': '__debezium-heartbeat\\.eu-west-1',
  transforms: 'beats,route,unwrap,size',
  'transforms.beats.type': 'org.apache.kafka.connect.transforms.Filter',
  'transforms.beats.predicate': 'own',
  'transforms.route.type': 'io.debezium.transforms.ToLogicalTopicRouter',
  'transforms.route.topic.regex': 'eu-west-1\\.(.*)',
  'transforms.route.topic.replacement': 'cdc.eu-west-1',
  'transforms.route.key.field.name': '_table',
  'transforms.route.key.field.regex': 'eu-west-1\\.(?:concord_)?(.*)',
  'transforms.route.key.field.replacement': '$1',
  'transforms.route.logical.destination.cache.size': '1000',
  'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
  'transforms.unwrap.add.fields': 'op,table:t,schema:s,lsn,txId,source.ts_us',
  'transforms.unwrap.delete.tombstone.handling.mode': 'drop',
  'transforms.unwrap.replace.null.with.default': 'false',
  'transforms.size.type': 'io.concord.connect.SizeLimit',
  'transforms.size.max.bytes': '3932160',
  'transforms.size.placeholder': '__concord_oversized_5d1f7c2e9b604a83',
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'key.converter.schemas.enable': 'false',
  'key.converter.replace.null.with.default': 'false',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  'value.converter.replace.null.with.default': 'false',
  'errors.tolerance': 'none',
  'poll.interval.ms': '20',
  'max.batch.size': '4096',
  'max.queue.size': '16384',
  'max.queue.size.in.bytes': '67108864',
  'status.update.interval.ms': '1000',
  'producer.override.acks': 'all',
  'producer.override.enable.idempotence': 'true',
  'producer.override.max.in.flight.requests.per.connection': '5',
  'producer.override.compression.type': 'none',
  'producer.override.linger.ms': '5',
  'producer.override.batch.size': '131072',
  'producer.override.max.request.size': '5242880',
};

describe('connector settings', () => {
  test('of one region, every one of them', () => {
    assert.deepEqual(settingsOf('eu-west-1'), EU_WEST_1);
  });
  for (const setting of ['slot.name', 'topic.prefix', 'transforms.route.topic.replacement'])
    test(`${setting} is another in every region`, () => {
      const values = regions.map((region) => settingsOf(region)[setting]);
      assert.equal(new Set(values).size, regions.length);
    });
  test('regions differ in nothing else', () => {
    for (const region of regions) {
      const named = Object.entries(settingsOf(region)).map(([setting, value]) => [
        setting,
        value.replaceAll(slotName(region), '<slot>').replaceAll(region, '<region>'),
      ]);
      const expected = Object.entries(EU_WEST_1).map(([setting, value]) => [
        setting,
        value.replaceAll('concord_eu_west_1', '<slot>').replaceAll('eu-west-1', '<region>'),
      ]);
      assert.deepEqual(named, expected);
    }
  });
  const tls: [tls: SourceDatabase['tls'], expected: Record<string, string>][] = [
    [undefined, { 'database.sslmode': 'disable' }],
    ['require', { 'database.sslmode': 'require' }],
    [{ rootCertFile: '/ca.pem' }, { 'database.sslmode': 'verify-full', 'database.sslrootcert': '/ca.pem' }],
  ];
  for (const [mode, expected] of tls)
    test(`TLS ${JSON.stringify(mode)}`, () => {
      const settings = settingsOf('eu-west-1', { database: { ...DATABASE, tls: mode } });
      const ssl = Object.entries(settings).filter(([setting]) => setting.startsWith('database.ssl'));
      assert.deepEqual(Object.fromEntries(ssl), expected);
    });
  test('a producer with an account of its own, whatever its password holds', () => {
    const kafka = { user: 'capture', password: 'a"b\\c', rootCertFile: '/kafka.pem', bootstrap: 'broker:9094' };
    const settings = settingsOf('eu-west-1', { kafka });
    const own = Object.entries(settings).filter(([setting]) => !(setting in EU_WEST_1));
    assert.deepEqual(Object.fromEntries(own), {
      'producer.override.bootstrap.servers': 'broker:9094',
      'producer.override.security.protocol': 'SASL_SSL',
      'producer.override.sasl.mechanism': 'SCRAM-SHA-512',
      'producer.override.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="capture" password="a\\"b\\\\c";',
      'producer.override.ssl.truststore.type': 'PEM',
      'producer.override.ssl.truststore.location': '/kafka.pem',
    });
  });
  test('how often it beats and polls', () => {
    const settings = settingsOf('eu-west-1', { heartbeatMs: 100, pollMs: 5 });
    assert.deepEqual([settings['heartbeat.interval.ms'], settings['poll.interval.ms']], ['100', '5']);
  });
  test('a record that the size transform lets through fits producer, topic and invocation', () => {
    for (const maxRecordBytes of [1024, 100_000, 5_242_880, 8_000_000]) {
      const small = { ...topology, limits: { ...topology.limits, maxRecordBytes } };
      const settings = settingsOf('eu-west-1', { topology: small });
      const values = Number(settings['transforms.size.max.bytes']);
      const request = Number(settings['producer.override.max.request.size']);
      const topic = topicSettings(small, 'eu-west-1', { replicationFactor: 1 });
      assert.ok(values >= 8192 && values < request, `${maxRecordBytes}`);
      // 500 values of 8 kB each are left alone.
      assert.ok(request > 500 * 8192 + 1_000_000);
      assert.equal(topic.configs['max.message.bytes'], String(request));
    }
    assert.ok((Number(EU_WEST_1['transforms.size.max.bytes']) * 4) / 3 < 6_000_000);
  });
});

/** As Debezium names a table's topic: `<prefix>.<schema>.<table>`, every other character an underscore. */
const debeziumTopic = (region: string, schema: string, table: string): string =>
  `${region}.${schema}.${table}`.replace(/[^A-Za-z0-9._-]/g, '_');

/** As the router does: the whole name must match. */
function routed(region: string, topic: string): { topic: string; table: string } {
  const settings = settingsOf(region);
  const replaced = (what: string): string => {
    const [regex, replacement] = [
      settings[`transforms.route.${what}.regex`],
      settings[`transforms.route.${what}.replacement`],
    ];
    return topic.replace(new RegExp(`^(?:${regex})$`), replacement ?? '');
  };
  return { topic: replaced('topic'), table: replaced('key.field') };
}

describe('routing', () => {
  const names: [schema: string, table: string, inKey: string][] = [
    ['public', 'users', 'public.users'],
    ['Other', 'T', 'Other.T'],
    ['my schema', 'a table', 'my_schema.a_table'],
    ['public', 'a.b', 'public.a.b'],
    ['ümlaut', 'naïve\nname', '_mlaut.na_ve_name'],
    ['us-east-1', 'us-east-1.x', 'us-east-1.us-east-1.x'],
    ['$1', '\\', '_1._'],
  ];
  for (const [schema, table, inKey] of names)
    test(`${JSON.stringify(`${schema}.${table}`)}: row and tombstone get one topic and one key`, () => {
      for (const region of regions) {
        const row = routed(region, debeziumTopic(region, schema, table));
        assert.deepEqual(row, { topic: topicOf(region), table: inKey });
        assert.deepEqual(routed(region, debeziumTopic(region, tombstoneSchema(schema), table)), row);
      }
    });
  test('the key of an ordinary name is the one of the contract', () => {
    const { table } = routed('eu-west-1', debeziumTopic('eu-west-1', 'concord_public', 'users'));
    const name = EU_WEST_1['transforms.route.key.field.name'] ?? '';
    assert.equal(JSON.stringify({ id: '2', [name]: table }), changeKey({ id: '2' }, 'public.users'));
  });
  test('heartbeats are rows of concord.heartbeat', () => {
    const { table } = routed('eu-west-1', debeziumTopic('eu-west-1', 'concord', 'heartbeat'));
    assert.equal(table, 'concord.heartbeat');
  });
  test("Debezium's own heartbeat is filtered, and nothing else", () => {
    const pattern = new RegExp(`^(?:${EU_WEST_1['predicates.own.pattern']})$`);
    assert.match('__debezium-heartbeat.eu-west-1', pattern);
    for (const topic of ['eu-west-1.concord.heartbeat', '__debezium-heartbeat_eu-west-1', 'cdc.eu-west-1'])
      assert.doesNotMatch(topic, pattern);
    assert.match(EU_WEST_1.transforms ?? '', /^beats,/);
  });
});

describe('names', () => {
  test('of slots and connectors', () => {
    assert.equal(slotName('eu-west-1'), 'concord_eu_west_1');
    assert.equal(connectorName('eu-west-1'), 'concord-eu-west-1');
  });
  test('the longest region still makes a slot name', () => {
    const slot = slotName('a'.repeat(40));
    assert.match(slot, /^[a-z0-9_]+$/);
    assert.ok(slot.length <= 63);
  });
  for (const region of ['a_b', 'A', '', 'a'.repeat(41), 'a-', "a'; drop"])
    test(`'${region}' is no region: two could share a slot`, () => {
      assert.throws(() => slotName(region), /is not a region name/);
      assert.throws(() => connectorName(region), /is not a region name/);
    });
});

describe('topics', () => {
  const expected = topicSettings(topology, 'eu-west-1', { replicationFactor: 3 });
  test('of a region', () => {
    assert.deepEqual(expected, {
      name: 'cdc.eu-west-1',
      partitions: 8,
      replicationFactor: 3,
      configs: {
        'cleanup.policy': 'delete',
        'retention.ms': '604800000',
        'retention.bytes': '-1',
        'max.message.bytes': '5242880',
        'min.insync.replicas': '2',
        'unclean.leader.election.enable': 'false',
      },
    });
    assert.equal(topicSettings(topology, 'eu-west-1', { replicationFactor: 1 }).configs['min.insync.replicas'], '1');
  });
  const like = (partitions: number, configs: Record<string, string> = {}): ActualTopic => ({
    partitions,
    configs: { ...expected.configs, ...configs },
  });
  const cases: [name: string, actual: ActualTopic | undefined, finds: string[]][] = [
    ['as it should be', like(8), []],
    [
      'kept longer, larger, safer',
      like(8, { 'retention.ms': '704800000', 'max.message.bytes': '9999999', 'min.insync.replicas': '3' }),
      [],
    ],
    ['kept for ever', like(8, { 'retention.ms': '-1' }), []],
    ['missing', undefined, ['topic']],
    ['fewer partitions', like(1), ['partitions']],
    ['more partitions', like(9), ['partitions']],
    ['compacted', like(8, { 'cleanup.policy': 'compact' }), ['cleanup.policy']],
    ['compacted as well', like(8, { 'cleanup.policy': 'compact,delete' }), ['cleanup.policy']],
    ['kept shorter', like(8, { 'retention.ms': '604799999' }), ['retention.ms']],
    ['kept by size', like(8, { 'retention.bytes': '1000000000' }), ['retention.bytes']],
    ['small messages', like(8, { 'max.message.bytes': '1048588' }), ['max.message.bytes']],
    ['one broker acknowledges', like(8, { 'min.insync.replicas': '1' }), ['min.insync.replicas']],
    ['unclean election', like(8, { 'unclean.leader.election.enable': 'true' }), ['unclean.leader.election.enable']],
    ['the cluster says nothing of it', { partitions: 8, configs: {} }, Object.keys(expected.configs)],
  ];
  for (const [name, actual, finds] of cases)
    test(`checked: ${name}`, () => {
      const problems = checkTopic(expected, actual);
      assert.deepEqual(
        problems.map(({ setting }) => setting),
        finds,
      );
      for (const { consequence } of problems) assert.ok(consequence.length > 20);
    });
});

describe('comparing settings', () => {
  const found = (changes: Record<string, string | undefined>): string[] => {
    const reported = { name: 'concord-eu-west-1', ...EU_WEST_1, ...changes };
    const present = Object.entries(reported).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return checkSettings(EU_WEST_1, Object.fromEntries(present)).map(
      ({ setting, consequence }) => `${setting}: ${consequence}`,
    );
  };
  const harmless: Record<string, string | undefined>[] = [
    {},
    { 'poll.interval.ms': '500' },
    { 'poll.interval.ms': undefined },
    { 'heartbeat.interval.ms': '1000' },
    { 'producer.override.linger.ms': '0', 'producer.override.buffer.memory': '1' },
    { 'max.queue.size': '1', 'tasks.max.enforce': 'true' },
    { 'database.password': 'another' },
    { 'database.password': '****' },
  ];
  for (const changes of harmless)
    test(`harmless: ${JSON.stringify(changes)}`, () => assert.deepEqual(found(changes), []));
  const harmful: [changes: Record<string, string | undefined>, says: RegExp][] = [
    [{ converters: undefined }, /^converters: .*digits/],
    [{ converters: '' }, /^converters: .*digits/],
    [{ 'text.type': 'io.example.Other' }, /^text.type: .*digits/],
    [{ 'snapshot.mode': 'initial' }, /^snapshot.mode: .*another region wrote/],
    [{ 'skipped.operations': 't' }, /^skipped.operations: raw deletes/],
    [{ 'publication.name': 'dbz_publication' }, /^publication.name: .*echo/],
    [{ 'publication.autocreate.mode': 'all_tables' }, /^publication.autocreate.mode: .*echo/],
    [{ 'slot.name': 'debezium' }, /^slot.name: .*lost/],
    [{ 'slot.drop.on.stop': 'true' }, /^slot.drop.on.stop: .*lost/],
    [{ 'table.include.list': 'public.users' }, /^table.include.list: .*lost/],
    [{ 'column.exclude.list': 'public.users.email' }, /^column.exclude.list: .*missing/],
    [{ 'message.key.columns': 'public.users:email' }, /^message.key.columns: .*key/],
    [{ 'value.converter.replace.null.with.default': undefined }, /^value.converter.replace.*NULL/],
    [{ 'transforms.unwrap.replace.null.with.default': 'true' }, /^transforms.unwrap.replace.*NULL/],
    [{ 'errors.tolerance': 'all' }, /^errors.tolerance: .*lost/],
    [{ 'errors.deadletterqueue.topic.name': 'x' }, /^errors.deadletter.*lost/],
    [{ 'event.converting.failure.handling.mode': 'warn' }, /^event.converting.*NULL/],
    [{ 'offset.mismatch.strategy': 'trust_slot' }, /^offset.mismatch.strategy: .*lost/],
    [{ 'internal.log.position.check.enable': 'false' }, /^internal.log.*lost/],
    [{ 'lsn.flush.mode': 'manual' }, /^lsn.flush.mode: /],
    [{ 'include.unknown.datatypes': 'false' }, /^include.unknown.datatypes: .*missing/],
    [{ 'time.precision.mode': 'adaptive' }, /^time.precision.mode: .*read back/],
    [{ 'heartbeat.interval.ms': '0' }, /^heartbeat.interval.ms: .*slot/],
    [{ 'heartbeat.interval.ms': undefined }, /^heartbeat.interval.ms: .*slot/],
    [{ 'heartbeat.action.query': 'select 1' }, /^heartbeat.action.query: .*slot/],
    [{ transforms: 'route,unwrap' }, /^transforms: .*order/],
    [{ 'transforms.route.key.field.name': undefined }, /^transforms.route.key.*order/],
    [{ 'topic.prefix': 'eu' }, /^topic.prefix: .*offsets/],
    [{ 'key.converter': 'io.confluent.connect.avro.AvroConverter' }, /^key.converter: .*parks/],
    [{ 'producer.override.acks': '1' }, /^producer.override.acks: .*lost/],
    [{ 'producer.override.max.request.size': '1048576' }, /^producer.override.max.request.size: .*stops/],
    [{ 'database.sslmode': 'prefer' }, /^database.sslmode: .*unencrypted/],
    [{ 'database.hostname': 'elsewhere' }, /^database.hostname: another database/],
    [{ 'plugin.name': 'decoderbufs' }, /^plugin.name: /],
    [{ 'signal.data.collection': 'public.signals' }, /^signal.data.collection: /],
    [{ 'some.thing.new': '1' }, /^some.thing.new: .*nobody/],
    [{ 'database.password': undefined }, /^database.password: /],
  ];
  for (const [changes, says] of harmful)
    test(`harmful: ${JSON.stringify(changes)}`, () => {
      const problems = found(changes);
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', says);
    });
  test('every setting of ours that must not differ has a consequence of its own', () => {
    const none = checkSettings(EU_WEST_1, {}).filter(({ consequence }) => consequence.includes('nobody has checked'));
    assert.deepEqual(none, []);
  });
  test('secrets are never in a problem', () => {
    const secrets = {
      'database.password': 'hunter2',
      'database.sslpassword': 'hunter2',
      'producer.override.sasl.jaas.config': 'hunter2',
    };
    const problems = [
      ...checkSettings({ ...EU_WEST_1, ...secrets }, EU_WEST_1),
      ...checkSettings(EU_WEST_1, { ...EU_WEST_1, ...secrets }),
    ];
    assert.ok(problems.some(({ setting }) => setting === 'producer.override.sasl.jaas.config'));
    assert.ok(!JSON.stringify(problems).includes('hunter2'));
    assert.deepEqual(Object.keys(EU_WEST_1).filter(isSecret), ['database.password']);
  });
});
