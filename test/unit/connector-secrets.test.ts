import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSettings, isSecret } from '../../connector/check-settings.ts';
import { connectorSettings, type SourceDatabase } from '../../connector/settings.ts';
import { passwordExpression, secretExpression, workerProperties, workerSettings } from '../../connector/worker.ts';
import { topologyOf } from '../support/regions.ts';

const ARN = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:concord/capture-AbCdEf';
const { limits } = topologyOf({ names: ['eu-west-1'], tables: [] });

/** What MSK Connect lets a worker configuration hold of `producer.` and `consumer.`: nothing that ours needs. */
const REFUSED_PREFIXES =
  /^(access\.control|admin|client|connect|consumer|inter\.worker|internal|listeners|metrics|producer|rest|sasl|security|socket|ssl|topic\.tracking|worker)\./;
const REFUSED = [
  'bootstrap.servers',
  'config.storage.topic',
  'connections.max.idle.ms',
  'connector.client.config.override.policy',
  'group.id',
  'listeners',
  'metric.reporters',
  'plugin.path',
  'receive.buffer.bytes',
  'response.http.headers.config',
  'scheduled.rebalance.max.delay.ms',
  'send.buffer.bytes',
  'status.storage.topic',
];

describe('the worker configuration', () => {
  test('as text', () => {
    assert.equal(
      workerProperties({ region: 'eu-west-1' }),
      `key.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
offset.flush.interval.ms=1000
config.providers=secrets
config.providers.secrets.class=io.concord.connect.SecretsManagerProvider
config.providers.secrets.param.region=eu-west-1
`,
    );
  });
  test('holds nothing that MSK Connect refuses', () => {
    const all = workerSettings({ region: 'r', endpoint: 'http://localhost:1', offsetTopic: 'concord-offsets' });
    assert.equal(all['offset.storage.topic'], 'concord-offsets');
    assert.equal(all['config.providers.secrets.param.endpoint'], 'http://localhost:1');
    for (const name of Object.keys(all)) {
      assert.doesNotMatch(name, REFUSED_PREFIXES);
      assert.ok(!REFUSED.includes(name), name);
    }
  });
});

describe('an expression for a secret', () => {
  test('names the secret and the key', () => {
    assert.equal(passwordExpression('concord/eu'), '${secrets:concord/eu:password}');
    assert.equal(secretExpression(ARN, 'username'), `\${secrets:${ARN}:username}`);
  });
  for (const [id, key] of [
    ['', 'password'],
    ['a}', 'password'],
    ['a', ''],
    ['a', 'x:y'],
    ['a', 'x}'],
  ] as const)
    test(`is refused for '${id}' and '${key}'`, () => assert.throws(() => secretExpression(id, key), RangeError));
});

describe('a password that the driver reads by itself', () => {
  const database: Omit<SourceDatabase, 'password'> = { host: 'db', port: 5432, name: 'app', user: 'concord_capture' };
  const settingsOf = (password: SourceDatabase['password']): Readonly<Record<string, string>> =>
    connectorSettings({ topology: { limits }, region: 'eu-west-1', database: { ...database, password } });
  const plain = settingsOf('x');
  const own = (settings: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(settings).filter(([name, value]) => plain[name] !== value));

  test('takes the place of the password', () => {
    const settings = settingsOf({ id: ARN, region: 'eu-west-1' });
    assert.ok(!('database.password' in settings));
    assert.deepEqual(own(settings), {
      'custom.retriable.exception': '(?s).*password authentication failed.*',
      'driver.authenticationPluginClassName': 'io.concord.connect.SecretPassword',
      'driver.concord.secret': ARN,
      'driver.concord.secret.region': 'eu-west-1',
    });
    const more = own(settingsOf({ id: ARN, region: 'eu-west-1', key: 'pw', endpoint: 'http://localhost:1' }));
    assert.equal(more['driver.concord.secret.key'], 'pw');
    assert.equal(more['driver.concord.secret.endpoint'], 'http://localhost:1');
  });
  test('is compared, because it is a place and no secret', () => {
    const expected = settingsOf({ id: ARN, region: 'eu-west-1' });
    assert.deepEqual(Object.keys(expected).filter(isSecret), []);
    assert.deepEqual(checkSettings(expected, expected), []);
    for (const [setting, reported] of [
      ['driver.concord.secret', 'another'],
      ['driver.concord.secret.region', 'us-east-1'],
      ['driver.authenticationPluginClassName', ''],
    ] as const) {
      const [problem, ...others] = checkSettings(expected, { ...expected, [setting]: reported });
      assert.deepEqual(others, []);
      assert.deepEqual([problem?.setting, problem?.reported], [setting, reported]);
      assert.match(problem?.consequence ?? '', /rotation/);
    }
  });
});
