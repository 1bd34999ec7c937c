import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { ConcordStack } from '../../cdk/concord-stack.ts';
import { Kafka, type KafkaOptions } from '../../cdk/kafka/kafka.ts';
import { Network } from '../../cdk/network/network.ts';
import { Operations } from '../../cdk/operations/operations.ts';
import { maxMessageBytes, topicSettings } from '../../connector/topics.ts';
import { topologyOf } from '../support/regions.ts';
import { actionsOf, resourceOf, resourcesOf, statementsOf } from '../support/templates.ts';

/** What does not fit the schema of a resource is an error. */
const STRICT = { '@aws-cdk/core:validateAgainstDefaultRules': true };
const region = 'eu-west-1';
const topology = topologyOf({ names: ['us-east-1', region, 'eu-west-10'], tables: ['public.users'] });
const from = ['us-east-1', 'eu-west-10'];

type Synthesised = { readonly app: App; readonly template: Template; readonly reader: Template };

/** Network, brokers and a function that reads them, each in its stack as deployed. */
function synthesise(options: KafkaOptions = { kind: 'msk' }, availabilityZones: 2 | 3 = 3): Synthesised {
  const app = new App({ context: STRICT });
  const stack = (id: string) =>
    new ConcordStack(app, id, { account: undefined, region, description: id, terminationProtection: false });
  const network = new Network(stack('Network'), 'Network', { options: { kind: 'create', availabilityZones }, slot: 1 });
  const { alarmTopic } = new Operations(stack('Operations'), 'Operations', {});
  const kafkaStack = stack('Kafka');
  const kafka = new Kafka(kafkaStack, 'Kafka', { options, topology, region, network, alarmTopic });
  const apply = stack('Apply');
  const reader = new LambdaFunction(apply, 'Reader', {
    runtime: Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: Code.fromInline('exports.handler = () => {}'),
  });
  kafka.grantMappingRead(reader, from);
  kafka.lagAlarms(apply, { groups: [`concord.${region}.us-east-1`], lagAlarmMinutes: 15, alarmTopic });
  return { app, template: Template.fromStack(kafkaStack), reader: Template.fromStack(apply) };
}

const msk = synthesise();
const cluster = resourceOf(msk.template, 'AWS::MSK::Cluster');
/** Of a token: the ARN's two halves around `:cluster/`. */
const arnOf = (text: unknown): string => JSON.stringify(text);

describe('the cluster', () => {
  test('takes TLS only, roles and SCRAM accounts, and nobody without a login', () => {
    const { EncryptionInfo, ClientAuthentication } = cluster.Properties;
    assert.deepEqual(EncryptionInfo.EncryptionInTransit, { ClientBroker: 'TLS', InCluster: true });
    assert.deepEqual(ClientAuthentication, {
      Sasl: { Iam: { Enabled: true }, Scram: { Enabled: true } },
      Tls: { Enabled: false },
      Unauthenticated: { Enabled: false },
    });
  });

  test('encrypts volumes, secret and log with a key of ours that is rotated and kept', () => {
    const key = resourceOf(msk.template, 'AWS::KMS::Key');
    assert.equal(key.Properties.EnableKeyRotation, true);
    assert.equal(key.DeletionPolicy, 'Retain');
    const arn = { 'Fn::GetAtt': [key.id, 'Arn'] };
    assert.deepEqual(cluster.Properties.EncryptionInfo.EncryptionAtRest, { DataVolumeKMSKeyId: arn });
    assert.deepEqual(resourceOf(msk.template, 'AWS::SecretsManager::Secret').Properties.KmsKeyId, arn);
    msk.template.hasResourceProperties('AWS::Logs::LogGroup', {
      LogGroupName: '/aws/vendedlogs/msk/concord-eu-west-1',
      KmsKeyId: arn,
      RetentionInDays: 30,
    });
  });

  test('has a broker in each zone and grows its volumes before they are full', () => {
    assert.equal(cluster.Properties.NumberOfBrokerNodes, 3);
    assert.equal(cluster.Properties.BrokerNodeGroupInfo.ClientSubnets.length, 3);
    assert.equal(cluster.Properties.KafkaVersion, '3.9.x.kraft');
    msk.template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      ScalableDimension: 'kafka:broker-storage:VolumeSize',
      MinCapacity: cluster.Properties.BrokerNodeGroupInfo.StorageInfo.EBSStorageInfo.VolumeSize,
      MaxCapacity: 1000,
    });
    msk.template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
      TargetTrackingScalingPolicyConfiguration: { TargetValue: 60, DisableScaleIn: true },
    });
  });

  test('is refused where it could not hold three replicas', () => {
    assert.throws(() => synthesise({ kind: 'msk' }, 2), /2 brokers in eu-west-1 cannot hold 3 replicas/);
    const { template } = synthesise({ kind: 'msk', brokersPerZone: 2 }, 2);
    assert.equal(resourceOf(template, 'AWS::MSK::Cluster').Properties.NumberOfBrokerNodes, 4);
  });

  test('lets no acknowledged record be lost, no topic come into being by itself, and every record of the topics through', () => {
    const { ServerProperties } = resourceOf(msk.template, 'AWS::MSK::Configuration').Properties;
    const lines: string[] = ServerProperties.trimEnd().split('\n');
    const properties = Object.fromEntries(lines.map((line) => line.split('=')));
    assert.equal(properties['auto.create.topics.enable'], 'false');
    assert.equal(properties['default.replication.factor'], '3');
    assert.equal(properties['min.insync.replicas'], '2');
    assert.equal(properties['unclean.leader.election.enable'], 'false');
    assert.equal(properties['message.max.bytes'], String(maxMessageBytes(topology.limits)));
    assert.ok(Number(properties['offsets.retention.minutes']) >= topology.topics.retentionHours * 60);
  });

  test('and all that holds records or says where they are outlives the stack', () => {
    for (const type of [
      'AWS::MSK::Cluster',
      'AWS::MSK::Configuration',
      'AWS::MSK::Topic',
      'AWS::SecretsManager::Secret',
      'AWS::KMS::Key',
    ])
      for (const [id, { DeletionPolicy, UpdateReplacePolicy }] of Object.entries(resourcesOf(msk.template, type)))
        assert.deepEqual(
          { id, DeletionPolicy, UpdateReplacePolicy },
          { id, DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' },
        );
  });
});

test('every region has a topic with the settings that it has everywhere', () => {
  const topics = Object.values(resourcesOf(msk.template, 'AWS::MSK::Topic')).map(({ Properties }) => Properties);
  assert.equal(topics.length, topology.regions.length);
  for (const { name } of topology.regions) {
    const expected = topicSettings(topology, name, { replicationFactor: 3 });
    const topic = topics.find(({ TopicName }) => TopicName === expected.name);
    assert.deepEqual(topic.ClusterArn, { 'Fn::GetAtt': [cluster.id, 'Arn'] });
    assert.equal(topic.PartitionCount, expected.partitions);
    assert.equal(topic.ReplicationFactor, 3);
    assert.deepEqual(JSON.parse(Buffer.from(topic.Configs, 'base64').toString()), expected.configs);
  }
});

test('the SCRAM account has the name and the key that MSK asks for, and only MSK may read it', () => {
  const secret = resourceOf(msk.template, 'AWS::SecretsManager::Secret');
  assert.equal(secret.Properties.Name, 'AmazonMSK_concord-eu-west-1-mirror');
  const { SecretArnList } = resourceOf(msk.template, 'AWS::MSK::BatchScramSecret').Properties;
  assert.deepEqual(SecretArnList, [{ Ref: secret.id }]);
  const { ResourcePolicy } = resourceOf(msk.template, 'AWS::SecretsManager::ResourcePolicy').Properties;
  assert.deepEqual(ResourcePolicy.Statement, [
    {
      Sid: 'AWSKafkaResourcePolicy',
      Effect: 'Allow',
      Principal: { Service: 'kafka.amazonaws.com' },
      Action: 'secretsmanager:getSecretValue',
      Resource: { Ref: secret.id },
    },
  ]);
  const granted = [...statementsOf(msk.template), ...statementsOf(msk.reader)].flatMap(actionsOf);
  assert.ok(!granted.some((action) => action.startsWith('secretsmanager:')), String(granted));
});

test('private connectivity and its policy come with a second deployment: at first MSK would refuse them', () => {
  assert.equal(cluster.Properties.BrokerNodeGroupInfo.ConnectivityInfo, undefined);
  msk.template.resourceCountIs('AWS::MSK::ClusterPolicy', 0);
  const { template } = synthesise({ kind: 'msk', multiVpc: true });
  const { ConnectivityInfo } = resourceOf(template, 'AWS::MSK::Cluster').Properties.BrokerNodeGroupInfo;
  assert.deepEqual(ConnectivityInfo.VpcConnectivity.ClientAuthentication.Sasl, {
    Iam: { Enabled: true },
    Scram: { Enabled: false },
  });
  const { Policy } = resourceOf(template, 'AWS::MSK::ClusterPolicy').Properties;
  assert.deepEqual(Policy.Statement, [
    {
      Effect: 'Allow',
      Principal: { Service: 'kafka.amazonaws.com' },
      Action: ['kafka:CreateVpcConnection', 'kafka:GetBootstrapBrokers', 'kafka:DescribeClusterV2'],
      Resource: { 'Fn::GetAtt': [cluster.id, 'Arn'] },
    },
  ]);
});

describe('the mapping may', () => {
  const statements = statementsOf(msk.reader);
  const allowed = (action: string): unknown[] =>
    statements.filter((statement) => actionsOf(statement).includes(action)).flatMap(({ Resource }) => Resource);

  test('read exactly the topics it is for, in exactly its groups, and write nothing', () => {
    const topics = allowed('kafka-cluster:ReadData').map(arnOf);
    assert.equal(topics.length, from.length);
    for (const name of from) assert.ok(topics.some((arn) => arn.includes(':topic/') && arn.includes(`/cdc.${name}"`)));
    const groups = allowed('kafka-cluster:AlterGroup').map(arnOf);
    assert.equal(groups.length, from.length);
    for (const name of from)
      assert.ok(groups.some((arn) => arn.includes(':group/') && arn.includes(`/concord.${region}.${name}"`)));
    const actions = statements.flatMap(actionsOf).filter((action) => action.startsWith('kafka'));
    assert.deepEqual(new Set(actions), new Set(MAPPING_ACTIONS));
  });

  test('touch no cluster but ours, and name no action or Kafka resource by a wildcard', () => {
    for (const statement of statements) {
      assert.ok(actionsOf(statement).every((action) => !action.includes('*')));
      if (actionsOf(statement).some((action) => action.startsWith('kafka')))
        assert.doesNotMatch(arnOf(statement.Resource), /\*/);
    }
  });

  test('make interfaces in the subnets and the group of the brokers only', () => {
    const resources = allowed('ec2:CreateNetworkInterface').map(arnOf);
    assert.equal(resources.filter((arn) => arn.includes(':subnet/')).length, 3);
    assert.equal(resources.filter((arn) => arn.includes(':security-group/')).length, 1);
    assert.deepEqual(resources.filter((arn) => arn.includes('*')).length, 1);
  });
});

const MAPPING_ACTIONS = [
  'kafka:DescribeClusterV2',
  'kafka:GetBootstrapBrokers',
  'kafka-cluster:Connect',
  'kafka-cluster:DescribeClusterDynamicConfiguration',
  'kafka-cluster:DescribeTopic',
  'kafka-cluster:ReadData',
  'kafka-cluster:DescribeGroup',
  'kafka-cluster:AlterGroup',
];

test('bootstrap brokers are asked for by a function that may ask for those of this cluster', () => {
  const read = resourceOf(msk.template, 'Custom::ConcordAwsRead');
  assert.match(arnOf(read.Properties.Create), /getBootstrapBrokers/);
  const statements = statementsOf(msk.template, /Bootstrap/);
  assert.deepEqual(statements, [
    { Effect: 'Allow', Action: 'kafka:GetBootstrapBrokers', Resource: { 'Fn::GetAtt': [cluster.id, 'Arn'] } },
  ]);
});

test('other regions are told ARN, subnets, group and brokers', () => {
  const names = Object.values(resourcesOf(msk.template, 'AWS::SSM::Parameter')).map(
    ({ Properties }) => Properties.Name,
  );
  assert.deepEqual(
    names.sort(),
    ['bootstrap-servers', 'cluster-arn', 'security-group-id', 'subnet-ids'].map(
      (fact) => `/concord/${region}/kafka/${fact}`,
    ),
  );
});

test('lag, brokers without a leader and full disks raise an alarm', () => {
  msk.reader.hasResourceProperties('AWS::CloudWatch::Alarm', {
    MetricName: 'EstimatedMaxTimeLag',
    Threshold: 900,
    Dimensions: Match.arrayWith([
      { Name: 'Consumer Group', Value: `concord.${region}.us-east-1` },
      { Name: 'Topic', Value: 'cdc.us-east-1' },
    ]),
  });
  for (const MetricName of ['OfflinePartitionsCount', 'KafkaDataLogsDiskUsed'])
    msk.template.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName, AlarmActions: Match.anyValue() });
});

describe('brokers that are there already', () => {
  const arn = `arn:aws:secretsmanager:${region}:111122223333:secret:reader-AbCdEf`;
  const existing: KafkaOptions = {
    kind: 'existing',
    bootstrapServers: ['kafka.example:9096'],
    readerSecret: arn,
    caSecret: 'ca',
    secretsKeyArn: `arn:aws:kms:${region}:111122223333:key/1`,
  };

  test('get nothing made but a note of where they are, and the mapping reads their secrets and nothing of MSK', () => {
    const { template, reader } = synthesise(existing);
    const made = Object.values(template.toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);
    assert.deepEqual(made, ['AWS::SSM::Parameter']);
    const statements = statementsOf(reader).filter(
      (statement) => !actionsOf(statement).some((action) => action.startsWith('ec2:')),
    );
    assert.deepEqual(statements.flatMap(actionsOf), ['secretsmanager:GetSecretValue', 'kms:Decrypt']);
    const [first, second] = [statements[0]?.Resource].flat();
    assert.equal(first, arn);
    assert.match(arnOf(second), /:secret:ca-\?{6}"/);
    reader.resourceCountIs('AWS::CloudWatch::Alarm', 0);
  });

  test('are read with the secrets that are named', () => {
    const stack = new Stack(new App({ context: STRICT }), 'Stack', { env: { region } });
    const network = new Network(stack, 'Network', { options: { kind: 'create' }, slot: 0 });
    const { alarmTopic } = new Operations(stack, 'Operations', {});
    const { readable, msk: none } = new Kafka(stack, 'Kafka', {
      options: existing,
      topology,
      region,
      network,
      alarmTopic,
    });
    assert.equal(none, undefined);
    assert.ok(
      readable.kind === 'self-managed' && readable.readerSecretArn === arn && readable.caSecretArn?.endsWith('ca'),
    );
  });
});

test('cdk-nag finds nothing that is not acknowledged', () => {
  const { app } = synthesise({ kind: 'msk', multiVpc: true });
  app.synth();
  assert.deepEqual(unacknowledged(app, /^(Kafka|Apply)\//), []);
});

function unacknowledged(app: App, path: RegExp): string[] {
  return [new AwsSolutionsChecks(app), new ServerlessChecks(app)].flatMap((pack) =>
    pack.validateScope(app).violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources
        .map(({ constructPath }) => constructPath ?? '')
        .filter((at) => path.test(at) && !OF_THE_TEST.test(at))
        .map((at) => `${ruleName} at ${at}`),
    ),
  );
}

/** The function that stands for apply, but not what it is granted. */
const OF_THE_TEST = /^Apply\/Reader\/(Resource|ServiceRole\/Resource)$/;
