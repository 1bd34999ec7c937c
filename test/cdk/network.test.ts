import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { ConcordStack } from '../../cdk/concord-stack.ts';
import { Network, type NetworkOptions } from '../../cdk/network/network.ts';
import {
  actionsOf,
  checked,
  resourceOf,
  resourcesOf,
  type Statement,
  statementsOf,
  strictApp,
} from '../support/templates.ts';

const region = 'eu-west-1';
const EXISTING: NetworkOptions = {
  kind: 'existing',
  vpcId: 'vpc-0123456789abcdef0',
  cidr: '172.16.0.0/16',
  availabilityZones: ['eu-west-1a', 'eu-west-1b'],
  subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
};

function made(options: NetworkOptions, slot = 2): { app: App; network: Network; template: Template } {
  const app = strictApp();
  const stack = new ConcordStack(app, 'Network', {
    account: undefined,
    region,
    description: 'test',
    terminationProtection: false,
  });
  const network = new Network(stack, 'Network', { options, slot });
  return { app, network, template: Template.fromStack(stack) };
}

const CREATE: NetworkOptions = { kind: 'create' };
type Rule = { from: string; to: string; port: number };

const GROUPS = ['Database', 'Proxy', 'Kafka', 'Functions', 'Connect', 'Endpoints'];
const nameOf = (id: string): string => GROUPS.find((name) => id.includes(`${name}Group`)) ?? id;
const peer = (reference: { 'Fn::GetAtt': [string, string] }): string => nameOf(reference['Fn::GetAtt'][0]);

/** Rules between groups, from both ends, as a connection needs one at each. */
function between(template: Template): { out: Rule[]; in: Rule[] } {
  const rules = (type: string): Rule[] =>
    Object.values(resourcesOf(template, type)).map(({ Properties: rule }) => {
      assert.equal(rule.IpProtocol, 'tcp');
      assert.equal(rule.FromPort, rule.ToPort);
      return type.endsWith('Egress')
        ? { from: peer(rule.GroupId), to: peer(rule.DestinationSecurityGroupId), port: rule.FromPort }
        : { from: peer(rule.SourceSecurityGroupId), to: peer(rule.GroupId), port: rule.FromPort };
    });
  const sorted = (found: Rule[]): Rule[] => found.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return {
    out: sorted(rules('AWS::EC2::SecurityGroupEgress')),
    in: sorted(rules('AWS::EC2::SecurityGroupIngress')),
  };
}

const PATH: readonly Rule[] = [
  { from: 'Connect', to: 'Database', port: 5432 },
  { from: 'Connect', to: 'Kafka', port: 9098 },
  { from: 'Functions', to: 'Database', port: 5432 },
  { from: 'Functions', to: 'Proxy', port: 5432 },
  { from: 'Kafka', to: 'Kafka', port: 9096 },
  { from: 'Kafka', to: 'Kafka', port: 9098 },
  { from: 'Proxy', to: 'Database', port: 5432 },
];
const TO_ENDPOINTS: readonly Rule[] = [
  { from: 'Connect', to: 'Endpoints', port: 443 },
  { from: 'Functions', to: 'Endpoints', port: 443 },
];

/** What a group lets out to addresses: `range:port`. */
function outOf(template: Template, group: string): string[] {
  const [found] = Object.entries(resourcesOf(template, 'AWS::EC2::SecurityGroup')).filter(
    ([id]) => nameOf(id) === group,
  );
  return found?.[1].Properties.SecurityGroupEgress.map(
    (rule: { CidrIp: string; IpProtocol: string; FromPort?: number }) =>
      `${rule.CidrIp}:${rule.IpProtocol === '-1' ? 'all' : rule.FromPort}`,
  );
}

test('no way to the internet: private subnets in three zones, endpoints, no gateway', () => {
  const { template, network } = made(CREATE);
  const subnets = Object.values(resourcesOf(template, 'AWS::EC2::Subnet'));
  assert.equal(subnets.length, 3);
  for (const { Properties } of subnets) assert.equal(Properties.MapPublicIpOnLaunch, false);
  assert.deepEqual(
    subnets.map(({ Properties }) => Properties.AvailabilityZone),
    [0, 1, 2].map((index) => ({ 'Fn::Select': [index, { 'Fn::GetAZs': '' }] })),
  );
  for (const type of ['NatGateway', 'InternetGateway', 'Route', 'EIP'])
    assert.deepEqual(resourcesOf(template, `AWS::EC2::${type}`), {}, type);
  assert.equal(network.vpc.selectSubnets(network.subnets).subnetIds.length, 3);
});

test('each region has a range of its own, by its slot', () => {
  const rangeOf = (options: NetworkOptions, slot?: number): string =>
    resourceOf(made(options, slot).template, 'AWS::EC2::VPC').Properties.CidrBlock;
  assert.equal(rangeOf(CREATE, 7), '10.7.0.0/16');
  assert.equal(rangeOf(CREATE, 255), '10.255.0.0/16');
  assert.throws(() => rangeOf(CREATE, 256), /hint: set 'cidr'/);
  assert.equal(rangeOf({ kind: 'create', cidr: '192.168.0.0/20' }, 256), '192.168.0.0/20');
});

test('two zones where a region offers no more', () => {
  const { template } = made({ kind: 'create', availabilityZones: 2 });
  assert.equal(Object.keys(resourcesOf(template, 'AWS::EC2::Subnet')).length, 2);
});

test('groups speak to each other along the path of a change, and no further', () => {
  const { template } = made(CREATE);
  const expected = [...PATH, ...TO_ENDPOINTS].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  assert.deepEqual(between(template), { out: expected, in: expected });
});

test('no group lets in an address, and none lets everything out', () => {
  for (const options of [CREATE, EXISTING]) {
    const { template } = made(options);
    const groups = Object.values(resourcesOf(template, 'AWS::EC2::SecurityGroup'));
    assert.equal(groups.length, options.kind === 'create' ? 6 : 5);
    for (const { Properties } of groups) {
      assert.equal(Properties.SecurityGroupIngress, undefined);
      // Without one of its own EC2 would give it the rule that lets everything out.
      assert.ok(Properties.SecurityGroupEgress.length > 0, Properties.GroupDescription);
    }
    for (const name of ['Database', 'Proxy']) assert.deepEqual(outOf(template, name), ['127.0.0.1/32:all']);
  }
});

test('to AWS: through endpoints, but for S3, which has no group; in a network of the user wherever it leads', () => {
  const { template } = made(CREATE);
  assert.deepEqual(outOf(template, 'Functions'), ['127.0.0.1/32:all']);
  assert.deepEqual(outOf(template, 'Connect'), ['127.0.0.1/32:all']);
  assert.deepEqual(outOf(template, 'Kafka'), ['127.0.0.1/32:all', '0.0.0.0/0:443']);
  const existing = made(EXISTING).template;
  for (const name of ['Functions', 'Connect', 'Kafka'])
    assert.deepEqual(outOf(existing, name), ['127.0.0.1/32:all', '0.0.0.0/0:443'], name);
});

const endpointsOf = (template: Template): Map<string, Statement[]> =>
  new Map(
    Object.values(resourcesOf(template, 'AWS::EC2::VPCEndpoint')).map(({ Properties }) => [
      JSON.stringify(Properties.ServiceName).match(/\.(s3|secretsmanager|sts|lambda)"/)?.[1] ?? '',
      Properties.PolicyDocument.Statement,
    ]),
  );

test('endpoints that are paid for are those that something calls', () => {
  assert.deepEqual([...endpointsOf(made(CREATE).template).keys()].sort(), ['s3', 'secretsmanager']);
  const onDemand = made({ kind: 'create', onDemandPollers: true }).template;
  assert.deepEqual([...endpointsOf(onDemand).keys()].sort(), ['lambda', 's3', 'secretsmanager', 'sts']);
  assert.ok(between(onDemand).in.some(({ from, to }) => from === 'Kafka' && to === 'Endpoints'));
});

test('an endpoint serves this account alone, for what is done through it', () => {
  const account = { Ref: 'AWS::AccountId' };
  const endpoints = endpointsOf(made({ kind: 'create', onDemandPollers: true }).template);
  for (const [service, statements] of endpoints) {
    assert.equal(statements.length, 1, service);
    for (const action of statements.flatMap(actionsOf)) assert.doesNotMatch(action, /\*/);
    const ours = JSON.stringify([statements[0]?.Resource, statements[0]?.Condition]);
    assert.ok(ours.includes(JSON.stringify(account)), service);
  }
  assert.deepEqual(endpoints.get('s3')?.[0]?.Condition, { StringEquals: { 'aws:ResourceAccount': account } });
  assert.deepEqual(endpoints.get('sts')?.[0]?.Principal, { Service: 'lambda.amazonaws.com' });
});

test('flow logs: all traffic, encrypted, for a while, written by a role that may write nothing else', () => {
  const { template } = made({ kind: 'create', flowLogDays: 365 });
  const key = resourceOf(template, 'AWS::KMS::Key');
  assert.equal(key.Properties.EnableKeyRotation, true);
  const group = resourceOf(template, 'AWS::Logs::LogGroup');
  assert.deepEqual(group.Properties.KmsKeyId, { 'Fn::GetAtt': [key.id, 'Arn'] });
  assert.equal(group.Properties.RetentionInDays, 365);
  const log = resourceOf(template, 'AWS::EC2::FlowLog').Properties;
  assert.equal(log.TrafficType, 'ALL');
  assert.deepEqual(log.ResourceId, { Ref: resourceOf(template, 'AWS::EC2::VPC').id });
  assert.deepEqual(log.LogGroupName, { Ref: group.id });
  assert.deepEqual(statementsOf(template), [
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
      Resource: { 'Fn::GetAtt': [group.id, 'Arn'] },
    },
  ]);
});

test('no custom resource: nothing here runs code', () => {
  const { template } = made(CREATE);
  for (const type of ['AWS::Lambda::Function', 'Custom::VpcRestrictDefaultSG'])
    assert.deepEqual(resourcesOf(template, type), {});
});

test('an existing network gets groups and nothing else', () => {
  const { template, network } = made(EXISTING);
  const types = new Set(
    Object.values(template.toJSON().Resources as Record<string, { Type: string }>).map((r) => r.Type),
  );
  assert.deepEqual([...types].sort(), [
    'AWS::EC2::SecurityGroup',
    'AWS::EC2::SecurityGroupEgress',
    'AWS::EC2::SecurityGroupIngress',
  ]);
  assert.deepEqual(
    network.vpc.selectSubnets(network.subnets).subnetIds,
    EXISTING.kind === 'existing' && EXISTING.subnetIds,
  );
  assert.deepEqual(between(template).in, [...PATH]);
});

test('an existing network whose subnets and zones differ is refused with a hint', () => {
  const without = (subnetIds: string[]): NetworkOptions => ({ ...EXISTING, subnetIds }) as NetworkOptions;
  assert.throws(() => made(without(['subnet-1'])), /1 subnets in 2 zones; hint: name one private subnet per zone/);
  assert.throws(() => made(without([])), /hint/);
});

test('cdk-nag and the schema of CloudFormation find nothing, and no lookup is needed', () => {
  for (const options of [CREATE, { kind: 'create', onDemandPollers: true } as const, EXISTING])
    assert.deepEqual(checked(made(options).app), []);
});
