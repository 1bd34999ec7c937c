import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSecret } from '../../connector/check-settings.ts';
import { type MirrorOptions, mirrorName, mirrorSettings } from '../../connector/mirror.ts';
import { passwordExpression } from '../../connector/worker.ts';
import { topologyOf } from '../support/regions.ts';

const SECRET = 'arn:aws:secretsmanager:us-east-1:111122223333:secret:AmazonMSK_hub-AbCdEf';
const { limits } = topologyOf({ names: ['eu-west-1'], tables: [] });
const OPTIONS: MirrorOptions = {
  topology: { limits },
  flow: { from: 'us-east-1', into: 'eu-west-1', topics: ['cdc.us-east-1', 'cdc.ap-south-1'] },
  from: { bootstrap: 'hub:9096', login: { user: 'mirror', password: passwordExpression(SECRET) } },
  into: { bootstrap: 'own:9098', login: 'iam' },
};

/** Every setting of one mirror. A change here changes what reaches other regions: say in the commit what it does. */
const SETTINGS: Readonly<Record<string, string>> = {
  'connector.class': 'org.apache.kafka.connect.mirror.MirrorSourceConnector',
  'tasks.max': '4',
  'source.cluster.alias': 'us-east-1',
  'target.cluster.alias': 'eu-west-1',
  'source.cluster.bootstrap.servers': 'hub:9096',
  'source.cluster.security.protocol': 'SASL_SSL',
  'source.cluster.sasl.mechanism': 'SCRAM-SHA-512',
  'source.cluster.sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="mirror" password="\${secrets:${SECRET}:password}";`,
  'target.cluster.bootstrap.servers': 'own:9098',
  'target.cluster.security.protocol': 'SASL_SSL',
  'target.cluster.sasl.mechanism': 'AWS_MSK_IAM',
  'target.cluster.sasl.jaas.config': 'software.amazon.msk.auth.iam.IAMLoginModule required;',
  'target.cluster.sasl.client.callback.handler.class': 'software.amazon.msk.auth.iam.IAMClientCallbackHandler',
  'replication.policy.class': 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy',
  topics: '^cdc\\.us-east-1$,^cdc\\.ap-south-1$',
  'refresh.topics.enabled': 'true',
  'refresh.topics.interval.seconds': '60',
  'sync.topic.acls.enabled': 'false',
  'sync.topic.configs.enabled': 'false',
  'offset-syncs.topic.location': 'target',
  'offset-syncs.topic.replication.factor': '3',
  'replication.factor': '3',
  'key.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
  'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
  'header.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
  'errors.tolerance': 'none',
  'source.consumer.auto.offset.reset': 'earliest',
  'producer.override.acks': 'all',
  'producer.override.enable.idempotence': 'true',
  'producer.override.max.in.flight.requests.per.connection': '5',
  'producer.override.compression.type': 'none',
  'producer.override.linger.ms': '5',
  'producer.override.max.request.size': '5242880',
};

describe('the settings of a mirror', () => {
  test('between accounts on AWS', () => assert.deepEqual(mirrorSettings(OPTIONS), SETTINGS));
  test('have one secret, as an expression', () => {
    const secrets = Object.entries(SETTINGS).filter(([name]) => isSecret(name));
    assert.deepEqual(
      secrets.map(([name]) => name),
      ['source.cluster.sasl.jaas.config', 'target.cluster.sasl.jaas.config'],
    );
  });
  test('into a cluster with SCRAM: its writer logs in as well', () => {
    const into = { bootstrap: 'own:9096', login: { user: 'w', password: 'p', rootCertFile: '/ca.pem' } };
    const settings = mirrorSettings({ ...OPTIONS, into });
    for (const prefix of ['target.cluster.', 'producer.override.']) {
      assert.equal(settings[`${prefix}sasl.mechanism`], 'SCRAM-SHA-512');
      assert.equal(settings[`${prefix}ssl.truststore.location`], '/ca.pem');
    }
  });
  test('without any login', () => {
    const plain = { bootstrap: 'b:9092', login: 'none' } as const;
    const names = Object.keys(mirrorSettings({ ...OPTIONS, from: plain, into: plain }));
    assert.deepEqual(
      names.filter((name) => /sasl|security/.test(name)),
      [],
    );
  });
  test('its name', () => assert.equal(mirrorName(OPTIONS.flow), 'concord-mirror-us-east-1-to-eu-west-1'));
});
