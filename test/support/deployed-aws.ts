import { setTimeout as delay } from 'node:timers/promises';
import {
  CloudFormationClient,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation';
import {
  InvokeCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
  UpdateEventSourceMappingCommand,
} from '@aws-sdk/client-lambda';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import type { LocalStack } from '../../local/localstack/localstack.ts';
import { callJson } from './deployed-calls.ts';

/** What a person would do in the console of one region. */
export type Console = {
  readonly stackStatus: (stack: string) => Promise<string>;
  readonly unprotect: (stack: string) => Promise<void>;
  /** The name or ARN of the resource of a type whose logical id begins so. Throws unless there is exactly one. */
  readonly resource: (stack: string, type: string, logicalId?: string) => Promise<string>;
  /** Enables or disables all event source mappings, and waits until they are. */
  readonly setMappings: (enabled: boolean) => Promise<void>;
  /** Invokes a function and waits for its answer. Throws what it fails with. */
  readonly invoke: (functionName: string, event: unknown) => Promise<unknown>;
  /** Runs a state machine and waits for its end. Throws what it fails with. */
  readonly execute: (stateMachineArn: string, input: object) => Promise<unknown>;
  readonly password: (secretId: string) => Promise<string>;
  /** Rotates a secret and waits until the new version is the current one. */
  readonly rotate: (secretId: string) => Promise<void>;
  /** The names of the functions that rules invoke on a schedule, and the ARNs of what else they start. */
  readonly scheduled: () => Promise<string[]>;
  /** The texts of all objects of a bucket. */
  readonly objects: (bucket: string) => Promise<string[]>;
};

const POLL_MS = 50;
const LIMIT_MS = 30_000;
const EXECUTION_LIMIT_MS = 120_000;

export function consoleOf(localStack: LocalStack, region: string): Console {
  const config = { ...localStack.clientConfig(region), maxAttempts: 1 };
  const cloudFormation = new CloudFormationClient(config);
  const lambda = new LambdaClient(config);
  const manager = new SecretsManagerClient(config);
  const s3 = new S3Client({ ...config, forcePathStyle: true });
  return {
    stackStatus: async (StackName) => {
      const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
      return String(Stacks?.[0]?.StackStatus);
    },
    unprotect: async (StackName) => {
      const EnableTerminationProtection = false;
      await cloudFormation.send(new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection }));
    },
    resource: async (StackName, type, logicalId = '') => {
      const { StackResources = [] } = await cloudFormation.send(new DescribeStackResourcesCommand({ StackName }));
      const found = StackResources.filter(
        ({ ResourceType, LogicalResourceId }) => ResourceType === type && LogicalResourceId?.startsWith(logicalId),
      );
      const [only, ...others] = found.map(({ PhysicalResourceId }) => PhysicalResourceId);
      if (only === undefined || others.length > 0)
        throw new Error(`${found.length} of ${type} ${logicalId}* in ${StackName}`);
      return only;
    },
    setMappings: (Enabled) => setMappings(lambda, Enabled),
    invoke: async (FunctionName, event) => {
      const command = new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) });
      const { FunctionError, Payload } = await lambda.send(command);
      const text = Payload?.transformToString() ?? '';
      if (FunctionError !== undefined) throw new Error(text);
      return JSON.parse(text || 'null');
    },
    execute: (stateMachineArn, input) => execute(new SFNClient(config), stateMachineArn, input),
    password: async (SecretId) => {
      const { SecretString = '' } = await manager.send(new GetSecretValueCommand({ SecretId }));
      return (JSON.parse(SecretString) as { readonly password: string }).password;
    },
    rotate: (secretId) => rotate(manager, secretId),
    scheduled: () => scheduledFunctions(localStack, region),
    objects: (bucket) => readObjects(s3, bucket),
  };
}

async function execute(sfn: SFNClient, stateMachineArn: string, input: object): Promise<unknown> {
  const { executionArn } = await sfn.send(new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }));
  const describe = () => sfn.send(new DescribeExecutionCommand({ executionArn }));
  await until('the execution', async () => (await describe()).status !== 'RUNNING', EXECUTION_LIMIT_MS);
  const { status, output = '', error, cause } = await describe();
  if (status !== 'SUCCEEDED') throw new Error(`${status}: ${error}: ${cause}`);
  return JSON.parse(output);
}

async function setMappings(lambda: LambdaClient, Enabled: boolean): Promise<void> {
  const list = async () => (await lambda.send(new ListEventSourceMappingsCommand({}))).EventSourceMappings ?? [];
  for (const { UUID } of await list()) await lambda.send(new UpdateEventSourceMappingCommand({ UUID, Enabled }));
  const wanted = Enabled ? 'Enabled' : 'Disabled';
  await until('the mappings', async () => (await list()).every(({ State }) => State === wanted));
}

/** Secrets Manager answers before the four steps are done. */
async function rotate(manager: SecretsManagerClient, SecretId: string): Promise<void> {
  const { VersionId } = await manager.send(new RotateSecretCommand({ SecretId }));
  await until(`the rotation of ${SecretId}`, async () => {
    const { VersionIdsToStages } = await manager.send(new DescribeSecretCommand({ SecretId }));
    return VersionIdsToStages?.[VersionId ?? '']?.includes('AWSCURRENT') === true;
  });
}

async function scheduledFunctions(localStack: LocalStack, region: string): Promise<string[]> {
  const call = async (action: string, input: object) =>
    JSON.parse(await callJson(localStack, region, 'events', `AWSEvents.${action}`, input));
  const { Rules } = (await call('ListRules', {})) as { readonly Rules: readonly Rule[] };
  const functions: string[] = [];
  for (const { Name } of Rules.filter(({ State, ScheduleExpression }) => State === 'ENABLED' && ScheduleExpression)) {
    const { Targets } = (await call('ListTargetsByRule', { Rule: Name })) as {
      readonly Targets: readonly { Arn: string }[];
    };
    functions.push(...Targets.map(({ Arn }) => Arn.split(':function:')[1] ?? Arn));
  }
  return functions;
}

type Rule = { readonly Name: string; readonly State: string; readonly ScheduleExpression?: string };

async function readObjects(client: S3Client, Bucket: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket }))
    for (const { Key } of Contents) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      texts.push((await Body?.transformToString()) ?? '');
    }
  return texts;
}

/** Asks until it is so. Throws after half a minute, unless told otherwise. */
export async function until(what: string, condition: () => Promise<boolean>, limitMs = LIMIT_MS): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs / 1000} s`);
    await delay(POLL_MS);
  }
}
