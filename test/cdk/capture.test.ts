import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { App, CfnParameter } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { CaptureConnector, type CaptureOptions } from '../../cdk/capture/capture.ts';
import { ConcordStack } from '../../cdk/concord-stack.ts';
import { Network } from '../../cdk/network/network.ts';
import { Operations } from '../../cdk/operations/operations.ts';
import { connectorSettings } from '../../connector/settings.ts';
import { workerProperties } from '../../connector/worker.ts';
import { topologyOf } from '../support/regions.ts';
import { actionsOf, resourceOf, resourcesOf, statementsOf } from '../support/templates.ts';

/** What does not fit the schema of a resource is an error. */
const STRICT = { '@aws-cdk/core:validateAgainstDefaultRules': true };
const region = 'eu-west-1';
const topology = topologyOf({ names: ['us-east-1', region], tables: ['public.users'] });
const directory = await mkdtemp(join(tmpdir(), 'concord-plugin-'));
after(() => rmSync(directory, { recursive: true }));

async function zip(content: string): Promise<string> {
  const path = join(directory, `${content}.zip`);
  await writeFile(path, content);
  return path;
}

const first = await zip('first');

/** Database and connector in stacks of their own, as deployed. */
function synthesise(
  options: CaptureOptions = {},
  pluginZip = first,
  port?: (stack: ConcordStack) => number,
): { app: App; template: Template } {
  const app = new App({ context: STRICT });
  const stack = (id: string) =>
    new ConcordStack(app, id, { account: undefined, region, description: id, terminationProtection: false });
  const network = new Network(stack('Network'), 'Network', { options: { kind: 'create' }, slot: 1 });
  const { alarmTopic } = new Operations(stack('Operations'), 'Operations', {});
  const databaseStack = stack('Database');
  const encryptionKey = new Key(databaseStack, 'Key');
  const { secretArn } = new Secret(databaseStack, 'Capture', { encryptionKey });
  const capture = Secret.fromSecretAttributes(databaseStack, 'Made', { secretCompleteArn: secretArn, encryptionKey });
  const captureStack = stack('Capture');
  new CaptureConnector(captureStack, 'Capture', {
    ...{ options, topology, region, network, pluginZip, alarmTopic },
    database: {
      direct: { host: 'db.example', port: port?.(captureStack) ?? 5432 },
      databaseName: 'app',
      sslmode: 'verify-full',
      secrets: { capture },
    },
  });
  return { app, template: Template.fromStack(captureStack) };
}

const { app, template } = synthesise();
const connector = resourceOf(template, 'AWS::KafkaConnect::Connector').Properties;
const text = (value: unknown): string => JSON.stringify(value);

describe('the connector', () => {
  const settings: Record<string, unknown> = connector.ConnectorConfiguration;

  test('gets the settings that everybody gets', () => {
    const database = { host: 'db.example', port: 5432, name: 'app', user: 'concord_capture', tls: 'require' } as const;
    const id = 'the secret';
    const expected = connectorSettings({ topology, region, database: { ...database, password: { id, region } } });
    const { 'driver.concord.secret': secret, ...actual } = settings;
    assert.deepEqual({ ...actual, 'driver.concord.secret': id }, expected);
    assert.match(text(secret), /Fn::ImportValue.*Database:.*Capture/);
    assert.equal(connector.ConnectorName, 'concord-eu-west-1');
  });

  test('gets no password, but the secret that it reads at each connection', () => {
    assert.equal(settings['database.password'], undefined);
    assert.equal(settings['driver.authenticationPluginClassName'], 'io.concord.connect.SecretPassword');
  });

  test('checks the server where there is a file to check it by', () => {
    const { template: checked } = synthesise({ rootCertFile: '/opt/ca.pem' });
    const { ConnectorConfiguration } = resourceOf(checked, 'AWS::KafkaConnect::Connector').Properties;
    assert.equal(ConnectorConfiguration['database.sslmode'], 'verify-full');
    assert.equal(ConnectorConfiguration['database.sslrootcert'], '/opt/ca.pem');
  });

  test('gets a port that only CloudFormation knows', () => {
    const port = (stack: ConcordStack) => new CfnParameter(stack, 'Port', { type: 'Number' }).valueAsNumber;
    const { template: deployed } = synthesise({}, first, port);
    const { ConnectorConfiguration } = resourceOf(deployed, 'AWS::KafkaConnect::Connector').Properties;
    assert.deepEqual(ConnectorConfiguration['database.port'], { Ref: 'Port' });
  });

  test('speaks TLS with IAM, on a worker for Debezium 3, in the subnets of the region', () => {
    assert.equal(connector.KafkaConnectVersion, '3.7.x');
    assert.deepEqual(connector.KafkaClusterClientAuthentication, { AuthenticationType: 'IAM' });
    assert.deepEqual(connector.KafkaClusterEncryptionInTransit, { EncryptionType: 'TLS' });
    assert.deepEqual(connector.Capacity, { ProvisionedCapacity: { WorkerCount: 1, McuCount: 1 } });
    const { BootstrapServers, Vpc } = connector.KafkaCluster.ApacheKafkaCluster;
    const { Default } = template.findParameters('*')[BootstrapServers.Ref] as { Default: string };
    assert.equal(Default, '/concord/eu-west-1/kafka/bootstrap-servers');
    assert.equal(Vpc.Subnets.length, 3);
    assert.equal(Vpc.SecurityGroups.length, 1);
  });
});

test('another plugin is another resource, the same one is not', async () => {
  const nameOf = (path: string): string =>
    resourceOf(synthesise({}, path).template, 'AWS::KafkaConnect::CustomPlugin').Properties.Name;
  assert.equal(nameOf(first), nameOf(first));
  assert.notEqual(nameOf(first), nameOf(await zip('second')));
  const plugin = resourceOf(template, 'AWS::KafkaConnect::CustomPlugin');
  assert.match(plugin.Properties.Name, /^concord-eu-west-1-[0-9a-f]{12}$/);
  assert.deepEqual(connector.Plugins, [
    {
      CustomPlugin: {
        CustomPluginArn: { 'Fn::GetAtt': [plugin.id, 'CustomPluginArn'] },
        Revision: { 'Fn::GetAtt': [plugin.id, 'Revision'] },
      },
    },
  ]);
});

test('the worker keeps positions under a name that survives the connector', () => {
  const { PropertiesFileContent } = resourceOf(template, 'AWS::KafkaConnect::WorkerConfiguration').Properties;
  const properties = Buffer.from(PropertiesFileContent, 'base64').toString();
  assert.equal(properties, workerProperties({ region, offsetTopic: 'concord-connect-offsets.concord-eu-west-1' }));
});

test('a plugin that is to change finds no connector in its way, and its positions stay', () => {
  const { template: stopped } = synthesise({ running: false });
  stopped.resourceCountIs('AWS::KafkaConnect::Connector', 0);
  stopped.resourceCountIs('AWS::CloudWatch::Alarm', 0);
  stopped.resourceCountIs('AWS::KafkaConnect::WorkerConfiguration', 1);
});

describe('the role', () => {
  const statements = statementsOf(template);
  const allowed = (action: string): string[] =>
    statements
      .filter((statement) => actionsOf(statement).includes(action))
      .flatMap(({ Resource }) => Resource)
      .map(text);

  test('is for MSK Connect, on behalf of this connector', () => {
    const [{ Action, Principal, Condition }] = resourceOf(template, 'AWS::IAM::Role').Properties
      .AssumeRolePolicyDocument.Statement;
    assert.deepEqual([Action, Principal], ['sts:AssumeRole', { Service: 'kafkaconnect.amazonaws.com' }]);
    assert.deepEqual(Condition.StringEquals, { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
    assert.match(
      text(Condition.ArnLike['aws:SourceArn']),
      /:kafkaconnect:eu-west-1:.*:connector\/concord-eu-west-1\/\*/,
    );
  });

  test('writes its own topic and what Connect keeps for itself', () => {
    const names = allowed('kafka-cluster:WriteData').map((arn) => /"\/([^"/]+)"\]\]\}$/.exec(arn)?.[1]);
    assert.deepEqual(names.sort(), [
      '__amazon_msk_connect_*',
      'cdc.eu-west-1',
      'concord-connect-offsets.concord-eu-west-1',
    ]);
    const reads = allowed('kafka-cluster:ReadData').filter((arn) => arn.includes('/cdc.'));
    assert.deepEqual(reads, []);
  });

  test('reads exactly the secret of capture, and decrypts through it only', () => {
    const [secret, ...more] = allowed('secretsmanager:GetSecretValue');
    assert.deepEqual(more, []);
    assert.match(secret ?? '', /Database:.*Capture/);
    const decrypting = statements.filter((statement) => actionsOf(statement).includes('kms:Decrypt'));
    assert.deepEqual(
      decrypting.map(({ Condition }) => Condition),
      [{ StringEquals: { 'kms:ViaService': 'secretsmanager.eu-west-1.amazonaws.com' } }],
    );
  });

  test('has no action by wildcard and no resource of everybody', () => {
    for (const statement of statements) {
      assert.ok(!actionsOf(statement).some((action) => action.includes('*')));
      assert.notEqual(statement.Resource, '*');
    }
  });
});

test('the log is encrypted and ends', () => {
  const { Properties } = resourceOf(template, 'AWS::Logs::LogGroup');
  assert.equal(Properties.RetentionInDays, 30);
  assert.deepEqual(Properties.KmsKeyId, { 'Fn::GetAtt': [resourceOf(template, 'AWS::KMS::Key').id, 'Arn'] });
  const { WorkerLogDelivery } = connector.LogDelivery;
  assert.deepEqual(WorkerLogDelivery.CloudWatchLogs.LogGroup, { Ref: resourceOf(template, 'AWS::Logs::LogGroup').id });
});

test('a failed task, no task and silence raise an alarm, also when CloudWatch hears nothing at all', () => {
  const alarms = Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
  const of = (metric: string) => alarms.find(({ MetricName }) => MetricName === metric);
  for (const { Namespace, Dimensions, AlarmActions } of alarms) {
    assert.deepEqual(
      [Namespace, Dimensions],
      ['AWS/KafkaConnect', [{ Name: 'ConnectorName', Value: 'concord-eu-west-1' }]],
    );
    assert.equal(AlarmActions.length, 1);
  }
  assert.deepEqual(
    ['ErroredTaskCount', 'RunningTaskCount', 'SourceRecordWriteRate'].map((metric) => [
      of(metric)?.ComparisonOperator,
      of(metric)?.Threshold,
      of(metric)?.TreatMissingData,
    ]),
    [
      ['GreaterThanOrEqualToThreshold', 1, 'notBreaching'],
      ['LessThanThreshold', 1, 'breaching'],
      ['LessThanOrEqualToThreshold', 0, 'breaching'],
    ],
  );
});

test('cdk-nag finds nothing that is not acknowledged', () => {
  app.synth();
  const lines = [new AwsSolutionsChecks(app), new ServerlessChecks(app)].flatMap((pack) =>
    pack
      .validateScope(app)
      .violations.flatMap(({ ruleName, violatingResources }) =>
        violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
      ),
  );
  assert.deepEqual(
    lines.filter((line) => line.includes(' at Capture/')),
    [],
  );
});
