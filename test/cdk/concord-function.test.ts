import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { App, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { ConcordFunction, type ConcordFunctionProps } from '../../cdk/functions/concord-function.ts';
import { encryptLogs } from '../../cdk/functions/logs-key.ts';
import { checkWithNag } from '../../cdk/nag.ts';
import type { Network } from '../../cdk/network/network.ts';
import { runDirectory } from '../../local/process/run-directory.ts';
import { topologyOf } from '../support/regions.ts';
import { resourceOf, resourcesOf, statementsOf } from '../support/templates.ts';

const region = 'eu-west-1';
const topology = topologyOf({ names: ['us-east-1', region], tables: ['public.users'] });
const REF = (id: string) => ({ 'Fn::GetAtt': [id, 'Arn'] });
const ARN = (text: string) => ({
  'Fn::Join': [
    '',
    ['arn:', { Ref: 'AWS::Partition' }, `:${text.split('|')[0]}`, { Ref: 'AWS::AccountId' }, text.split('|')[1]],
  ],
});

type Made = {
  readonly app: App;
  readonly stack: Stack;
  readonly key: Key;
  readonly add: (id: string, more?: Partial<ConcordFunctionProps>) => ConcordFunction;
};

function make(): Made {
  const app = new App({ outdir: mkdtempSync(join(runDirectory(), 'cdk-')) });
  const stack = new Stack(app, 'Stack', { env: { region } });
  const key = new Key(stack, 'Key', { enableKeyRotation: true });
  encryptLogs(key);
  const vpc = Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-west-1a'],
    privateSubnetIds: ['subnet-0123456789abcdef0'],
  });
  const functions = SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-0123456789abcdef0');
  const network = { vpc, subnets: { subnets: vpc.privateSubnets }, groups: { functions } } as unknown as Network;
  const add: Made['add'] = (id, more = {}) =>
    new ConcordFunction(stack, id, {
      name: 'apply',
      description: 'Applies changes',
      ...{ region, topology, network, key },
      environment: { CONCORD_DATABASE_URL: 'postgres://concord_apply@db.example:5432/app?sslmode=verify-full' },
      timeout: Duration.minutes(2),
      memoryMb: 1769,
      logRetention: RetentionDays.ONE_MONTH,
      ...more,
    });
  return { app, stack, key, add };
}

function templateWith(more: Partial<ConcordFunctionProps> = {}): Template {
  const { stack, add } = make();
  add('Function', more);
  return Template.fromStack(stack);
}

const onlyId = (template: Template, type: string): string => resourceOf(template, type).id;

describe('a function', () => {
  test('runs on Node 24 and arm64, with source maps and the authorities of RDS', () => {
    const { Properties } = resourceOf(templateWith(), 'AWS::Lambda::Function');
    assert.deepEqual(
      [Properties.Runtime, Properties.Architectures, Properties.Handler],
      ['nodejs24.x', ['arm64'], 'index.handler'],
    );
    assert.deepEqual([Properties.Timeout, Properties.MemorySize], [120, 1769]);
    assert.deepEqual(Properties.Environment.Variables, {
      CONCORD_REGION: region,
      CONCORD_DATABASE_URL: 'postgres://concord_apply@db.example:5432/app?sslmode=verify-full',
      NODE_OPTIONS: '--enable-source-maps',
      NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
    });
    assert.deepEqual(Properties.VpcConfig, {
      SecurityGroupIds: ['sg-0123456789abcdef0'],
      SubnetIds: ['subnet-0123456789abcdef0'],
    });
  });

  test('may write its own logs, and Lambda may decrypt its environment and make its interfaces: nothing else', () => {
    const template = templateWith();
    const CHANGES = [
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ];
    const READS = ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'];
    assert.deepEqual(statementsOf(template), [
      {
        Sid: 'WriteOwnLogs',
        Effect: 'Allow',
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: REF(onlyId(template, 'AWS::Logs::LogGroup')),
      },
      {
        Sid: 'ReadOwnEnvironment',
        Effect: 'Allow',
        Action: 'kms:Decrypt',
        Resource: REF(onlyId(template, 'AWS::KMS::Key')),
        Condition: { Null: { 'lambda:SourceFunctionArn': 'true' } },
      },
      { Effect: 'Allow', Action: CHANGES, Resource: ARN(`ec2:${region}:|:*/*`) },
      { Effect: 'Allow', Action: READS, Resource: '*' },
      {
        Effect: 'Deny',
        Action: [...CHANGES, ...READS],
        Resource: '*',
        Condition: { Null: { 'lambda:SourceFunctionArn': 'false' } },
      },
    ]);
    assert.equal(resourceOf(template, 'AWS::IAM::Role').Properties.ManagedPolicyArns, undefined);
  });

  test('that reaches no database is in no subnet, may make no interface and loads no authorities', () => {
    const template = templateWith({ network: undefined, environment: {} });
    const { Properties } = resourceOf(template, 'AWS::Lambda::Function');
    assert.equal(Properties.VpcConfig, undefined);
    assert.deepEqual(Object.keys(Properties.Environment.Variables).sort(), ['CONCORD_REGION', 'NODE_OPTIONS']);
    assert.deepEqual(
      statementsOf(template).map(({ Sid }) => Sid),
      ['WriteOwnLogs', 'ReadOwnEnvironment'],
    );
  });

  test('has its environment and its logs encrypted by the key, and the logs deleted in time', () => {
    const template = templateWith();
    const { id, Properties, DeletionPolicy } = resourceOf(template, 'AWS::Logs::LogGroup');
    const key = REF(onlyId(template, 'AWS::KMS::Key'));
    assert.deepEqual(Properties, { KmsKeyId: key, RetentionInDays: 30 });
    assert.equal(DeletionPolicy, 'Delete');
    const { Properties: lambda } = resourceOf(template, 'AWS::Lambda::Function');
    assert.deepEqual(lambda.KmsKeyArn, key);
    assert.deepEqual(lambda.LoggingConfig, {
      LogFormat: 'JSON',
      LogGroup: { Ref: id },
      ApplicationLogLevel: 'INFO',
      SystemLogLevel: 'INFO',
    });
    const kept = templateWith({ logRemoval: RemovalPolicy.RETAIN });
    assert.equal(resourceOf(kept, 'AWS::Logs::LogGroup').DeletionPolicy, 'Retain');
  });

  test("lets CloudWatch Logs use the key for this account's log groups only", () => {
    const { Statement } = resourceOf(templateWith(), 'AWS::KMS::Key').Properties.KeyPolicy;
    const [own, ...others] = Statement.filter(({ Sid }: { Sid?: string }) => Sid === 'EncryptLogs');
    assert.deepEqual(others, []);
    assert.deepEqual(own.Principal, { Service: `logs.${region}.amazonaws.com` });
    assert.deepEqual(own.Condition, {
      ArnLike: { 'kms:EncryptionContext:aws:logs:arn': ARN(`logs:${region}:|:log-group:*`) },
    });
  });

  test('has no rules for asynchronous invocations and no reserved environments unless it is told so', () => {
    const plain = templateWith();
    plain.resourceCountIs('AWS::Lambda::EventInvokeConfig', 0);
    assert.equal(resourceOf(plain, 'AWS::Lambda::Function').Properties.ReservedConcurrentExecutions, undefined);
    const { stack, add, key } = make();
    const queue = new Queue(stack, 'Failed', { encryptionMasterKey: key });
    add('Function', {
      asynchronous: { maxEventAge: Duration.hours(1), retryAttempts: 0, onFailure: new SqsDestination(queue) },
      reservedConcurrency: 1,
    });
    const template = Template.fromStack(stack);
    const { Properties } = resourceOf(template, 'AWS::Lambda::EventInvokeConfig');
    assert.deepEqual([Properties.MaximumEventAgeInSeconds, Properties.MaximumRetryAttempts], [3600, 0]);
    assert.deepEqual(Properties.DestinationConfig, {
      OnFailure: { Destination: REF(onlyId(template, 'AWS::SQS::Queue')) },
    });
    assert.equal(resourceOf(template, 'AWS::Lambda::Function').Properties.ReservedConcurrentExecutions, 1);
  });
});

test('the functions of a stack share one version of each layer', () => {
  const { stack, add } = make();
  add('Apply');
  add('Enroll', { name: 'enroll' });
  const template = Template.fromStack(stack);
  const layers = Object.keys(resourcesOf(template, 'AWS::Lambda::LayerVersion'));
  assert.equal(layers.length, 3);
  const functions = Object.values(resourcesOf(template, 'AWS::Lambda::Function'));
  assert.equal(functions.length, 2);
  for (const { Properties } of functions)
    assert.deepEqual(
      Properties.Layers,
      layers.map((Ref) => ({ Ref })),
    );
  for (const { Properties } of Object.values(resourcesOf(template, 'AWS::Lambda::LayerVersion')))
    assert.deepEqual([Properties.CompatibleRuntimes, Properties.CompatibleArchitectures], [['nodejs24.x'], ['arm64']]);
});

describe('cdk-nag', () => {
  const synth = ({ app }: Made): void => {
    checkWithNag(app);
    app.synth();
  };

  test('finds nothing that is not acknowledged with a reason', () => {
    const made = make();
    made.add('InVpc');
    made.add('Outside', { name: 'enroll', network: undefined, environment: {} });
    synth(made);
  });

  test('finds what somebody else allows a function on everything: the reasons given are for its interfaces only', () => {
    const made = make();
    const { function: lambda } = made.add('Function');
    lambda.addToRolePolicy(new PolicyStatement({ actions: ['s3:GetObject'], resources: ['*'] }));
    assert.throws(() => synth(made), /validation/i);
  });
});
