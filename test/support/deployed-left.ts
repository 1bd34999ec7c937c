import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import {
  LambdaClient,
  paginateListEventSourceMappings,
  paginateListFunctions,
  paginateListLayers,
} from '@aws-sdk/client-lambda';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { paginateListSecrets, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { LocalStack } from '../../local/localstack/localstack.ts';
import { callForm, callJson } from './deployed-calls.ts';

/** What a region of the account holds, as its APIs tell: `log group /aws/lambda/…`, one line each, sorted. */
export async function inventoryOf(localStack: LocalStack, region: string): Promise<string[]> {
  const lists = await Promise.all([
    ...[stacks, functions, secrets, buckets].map((list) => list(localStack, region)),
    ...QUERIES.map((query) => ask(localStack, region, query)),
    keys(localStack, region),
  ]);
  return lists.flat().sort();
}

type Clients = Pick<LocalStack, 'clientConfig'>;

async function stacks(localStack: Clients, region: string): Promise<string[]> {
  const client = new CloudFormationClient(localStack.clientConfig(region));
  const { Stacks = [] } = await client.send(new DescribeStacksCommand({}));
  return Stacks.filter(({ StackStatus }) => StackStatus !== 'DELETE_COMPLETE').map(
    ({ StackName }) => `stack ${StackName}`,
  );
}

async function functions(localStack: Clients, region: string): Promise<string[]> {
  const client = new LambdaClient(localStack.clientConfig(region));
  const lines: string[] = [];
  for await (const { Functions = [] } of paginateListFunctions({ client }, {}))
    lines.push(...Functions.map(({ FunctionName }) => `function ${FunctionName}`));
  for await (const { Layers = [] } of paginateListLayers({ client }, {}))
    lines.push(...Layers.map(({ LayerName }) => `layer ${LayerName}`));
  for await (const { EventSourceMappings = [] } of paginateListEventSourceMappings({ client }, {}))
    lines.push(...EventSourceMappings.map(({ Topics }) => `event source mapping ${Topics?.join()}`));
  return lines;
}

async function secrets(localStack: Clients, region: string): Promise<string[]> {
  const client = new SecretsManagerClient(localStack.clientConfig(region));
  const lines: string[] = [];
  for await (const { SecretList = [] } of paginateListSecrets({ client }, {}))
    lines.push(...SecretList.map(({ Name, Description }) => `secret ${Description || Name}`));
  return lines;
}

async function buckets(localStack: Clients, region: string): Promise<string[]> {
  const client = new S3Client({ ...localStack.clientConfig(region), forcePathStyle: true });
  const { Buckets = [] } = await client.send(new ListBucketsCommand({ BucketRegion: region }));
  return Buckets.map(({ Name }) => `bucket ${Name}`);
}

/** Keys are never gone at once: those that wait for their deletion are not listed. */
async function keys(localStack: Clients, region: string): Promise<string[]> {
  const call = async (action: string, input: object) =>
    JSON.parse(await callJson(localStack, region, 'kms', `TrentService.${action}`, input));
  const { Keys } = (await call('ListKeys', { Limit: 1000 })) as { readonly Keys: readonly { KeyId: string }[] };
  const lines: string[] = [];
  for (const { KeyId } of Keys) {
    const { KeyMetadata } = await call('DescribeKey', { KeyId });
    if (KeyMetadata.KeyState !== 'PendingDeletion') lines.push(`key ${KeyMetadata.Description || KeyId}`);
  }
  return lines;
}

/** A call without pages, for which there is no client here: every text between these tags is the name of a thing. */
type Query = {
  readonly service: string;
  readonly kind: string;
  readonly name: RegExp;
} & ({ readonly target: string } | { readonly form: string });

const EC2 = 'Version=2016-11-15';
/** Deleted ones are told for a while. */
const LIVE_ENDPOINT = /<vpcEndpointId>([^<]+)<(?:(?!<vpcEndpointId>)[\s\S])*?<state>available</g;
const QUERIES: readonly Query[] = [
  {
    service: 'logs',
    kind: 'log group',
    target: 'Logs_20140328.DescribeLogGroups',
    name: /"logGroupName": ?"([^"]+)"/g,
  },
  { service: 'events', kind: 'rule', target: 'AWSEvents.ListRules', name: /"Name": ?"([^"]+)"/g },
  { service: 'ssm', kind: 'parameter', target: 'AmazonSSM.DescribeParameters', name: /"Name": ?"([^"]+)"/g },
  { service: 'sns', kind: 'topic', form: 'Action=ListTopics&Version=2010-03-31', name: /<TopicArn>[^<]*:([^<:]+)</g },
  {
    service: 'iam',
    kind: 'role',
    form: 'Action=ListRoles&Version=2010-05-08&MaxItems=1000',
    name: /<RoleName>([^<]+)</g,
  },
  {
    service: 'iam',
    kind: 'policy',
    form: 'Action=ListPolicies&Scope=Local&Version=2010-05-08',
    name: /<PolicyName>([^<]+)</g,
  },
  {
    service: 'monitoring',
    kind: 'alarm',
    form: 'Action=DescribeAlarms&Version=2010-08-01',
    name: /<AlarmName>([^<]+)</g,
  },
  { service: 'ec2', kind: 'network', form: `Action=DescribeVpcs&${EC2}`, name: /<vpcId>([^<]+)</g },
  {
    service: 'ec2',
    kind: 'security group',
    form: `Action=DescribeSecurityGroups&${EC2}`,
    name: /<groupName>([^<]+)</g,
  },
  { service: 'ec2', kind: 'endpoint', form: `Action=DescribeVpcEndpoints&${EC2}`, name: LIVE_ENDPOINT },
];

async function ask(localStack: Clients, region: string, query: Query): Promise<string[]> {
  const text =
    'target' in query
      ? await callJson(localStack, region, query.service, query.target, {})
      : await callForm(localStack, region, query.service, query.form);
  return [...new Set(text.matchAll(query.name).map(([, name]) => `${query.kind} ${name}`))];
}
