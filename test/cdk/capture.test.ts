import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Capture } from '../../cdk/capture.ts';
import { connectorSettings } from '../../connector/settings.ts';
import { topologyOf } from '../support/regions.ts';

const region = 'eu-west-1';
const topology = topologyOf({ names: ['us-east-1', region], tables: ['public.users'] });
const database = {
  host: 'db.example',
  port: 5432,
  name: 'app',
  user: 'concord_capture',
  password: '${secretsmanager:concord/eu-west-1/capture:password}',
  tls: { rootCertFile: '/opt/rds/global-bundle.pem' },
};

function template(): Template {
  const stack = new Stack(new App(), 'Region', { env: { region, account: '111122223333' } });
  new Capture(stack, 'Capture', {
    topology,
    region,
    database,
    bootstrapServers: 'b-1.example:9098',
    subnetIds: ['subnet-1', 'subnet-2'],
    securityGroupIds: ['sg-1'],
    plugin: { bucketArn: 'arn:aws:s3:::plugins', key: 'concord-connector-0.1.0.zip' },
    workerConfiguration: {
      arn: 'arn:aws:kafkaconnect:eu-west-1:111122223333:worker-configuration/concord/1',
      revision: 1,
    },
    roleArn: 'arn:aws:iam::111122223333:role/capture',
    logGroupName: '/concord/capture',
  });
  return Template.fromStack(stack);
}

const propertiesOf = (type: string): Record<string, unknown> => {
  const [found, ...others] = Object.values(template().findResources(type));
  assert.deepEqual(others, []);
  return found?.Properties;
};

test('MSK Connect gets the settings that everybody gets, the password as an expression', () => {
  const { ConnectorConfiguration, ConnectorName } = propertiesOf('AWS::KafkaConnect::Connector');
  assert.deepEqual(ConnectorConfiguration, connectorSettings({ topology, region, database }));
  assert.equal(ConnectorName, 'concord-eu-west-1');
});

test('MSK Connect speaks TLS with IAM, on a worker for Debezium 3, with our plugin alone', () => {
  const connector = propertiesOf('AWS::KafkaConnect::Connector');
  assert.equal(connector.KafkaConnectVersion, '3.7.x');
  assert.deepEqual(connector.KafkaClusterClientAuthentication, { AuthenticationType: 'IAM' });
  assert.deepEqual(connector.KafkaClusterEncryptionInTransit, { EncryptionType: 'TLS' });
  const [id] = Object.keys(template().findResources('AWS::KafkaConnect::CustomPlugin'));
  const attribute = (name: string) => ({ 'Fn::GetAtt': [id, name] });
  assert.deepEqual(connector.Plugins, [
    { CustomPlugin: { CustomPluginArn: attribute('CustomPluginArn'), Revision: attribute('Revision') } },
  ]);
  assert.deepEqual(propertiesOf('AWS::KafkaConnect::CustomPlugin').Location, {
    S3Location: { BucketArn: 'arn:aws:s3:::plugins', FileKey: 'concord-connector-0.1.0.zip' },
  });
});
