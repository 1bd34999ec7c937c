import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LambdaClient, PublishLayerVersionCommand } from '@aws-sdk/client-lambda';
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  ListMapRunsCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import {
  digestFunction,
  type Report,
  type RunInput,
  reconcileFunction,
  reconcileMachine,
  repairFunction,
  type Topology,
} from '@concord/events';
import { Template } from 'aws-cdk-lib/assertions';
import { type FunctionName, functionFolder, LAYER_NAMES, layerFolder } from '../../cdk/functions/bundle.ts';
import { HubStage } from '../../cdk/hub-stage.ts';
import type { ReconcileOptions } from '../../cdk/reconcile/options.ts';
import { ACCOUNT, type LocalStack } from '../../local/localstack/localstack.ts';
import { childrenOf } from '../../local/process/process-table.ts';
import type { TestDatabase } from './cluster.ts';
import { createFunction } from './localstack-functions.ts';
import { deploymentWith } from './region-templates.ts';
import type { Region } from './regions.ts';
import { resourceOf, strictApp } from './templates.ts';
import { zipOf } from './zip.ts';

/**
 * The state machine as `cdk/` defines it, with the functions of hub and regions as they are bundled, on LocalStack. Made with the SDK:
 * that CloudFormation makes the same of the templates is shown by the deployed system.
 */
export type ReconcileMachine = {
  /** Returns the name of the run. */
  readonly start: (input: RunInput | object) => Promise<string>;
  readonly stop: (run: string) => Promise<void>;
  /** Waits until it has ended, however it did. */
  readonly ended: (run: string) => Promise<DescribeExecutionCommandOutput>;
  readonly isRunning: (run: string) => Promise<boolean>;
  /** The states that it has entered, in their order. */
  readonly entered: (run: string) => Promise<string[]>;
  /** What its stages and parts failed with so far, whether they were tried again or not. */
  readonly errors: (run: string) => Promise<string[]>;
  readonly report: (run: string) => Promise<Report>;
  /** Kills the processes of a function in the middle of what they do. */
  readonly kill: (functionName: string) => void;
};

const POLL_MS = 50;
const ROLE = `arn:aws:iam::${ACCOUNT}:role/reconcile`;
/** Seconds. A digest has to be answered, and a page sent, with some time to spare. */
const TIMEOUT = { digest: 12, repair: 60, apply: 30, reconcile: 120 } as const;

export async function reconcileMachineOf(
  localStack: LocalStack,
  topology: Topology,
  regions: readonly Region[],
  options: ReconcileOptions,
): Promise<ReconcileMachine> {
  const { hub } = topology;
  const config = localStack.clientConfig(hub);
  const [lambda, sfn, s3] = [new LambdaClient(config), new SFNClient(config), new S3Client(config)];
  const bucket = `concord-${hub}-runs`;
  await s3.send(
    new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: { LocationConstraint: hub as never } }),
  );
  const ofRegions = regions.map((region) => createRegion(localStack, topology, region));
  const [functionArn] = await Promise.all([createReconcile(lambda, topology, bucket), ...ofRegions]);
  const { stateMachineArn = '' } = await sfn.send(
    new CreateStateMachineCommand({
      name: reconcileMachine(hub),
      definition: definitionOf(topology, options, functionArn),
      roleArn: ROLE,
    }),
  );
  let runs = 0;
  const executionArn = (run: string): string => `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${run}`;
  const describe = (run: string) => sfn.send(new DescribeExecutionCommand({ executionArn: executionArn(run) }));
  return {
    start: async (input) => {
      // As EventBridge names them: two ids and an underscore.
      const name = `run-${++runs}_${process.pid}`;
      await sfn.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }));
      return name;
    },
    stop: async (run) => void (await sfn.send(new StopExecutionCommand({ executionArn: executionArn(run) }))),
    ended: async (run) => {
      for (;;) {
        const execution = await describe(run);
        if (execution.status !== 'RUNNING') return execution;
        await delay(POLL_MS);
      }
    },
    isRunning: async (run) => (await describe(run)).status === 'RUNNING',
    entered: async (run) =>
      (await historyOf(sfn, executionArn(run))).flatMap((event) => event.stateEnteredEventDetails?.name ?? []),
    errors: async (run) => {
      const { mapRuns = [] } = await sfn.send(new ListMapRunsCommand({ executionArn: executionArn(run) }));
      const arns: (string | undefined)[] = [executionArn(run)];
      for (const { mapRunArn } of mapRuns) {
        const { executions = [] } = await sfn.send(new ListExecutionsCommand({ mapRunArn }));
        arns.push(...executions.map((part) => part.executionArn));
      }
      const events = (await Promise.all(arns.map((arn) => historyOf(sfn, arn)))).flat();
      return events.flatMap(({ taskFailedEventDetails: failed }) => (failed ? `${failed.error}: ${failed.cause}` : []));
    },
    report: async (run) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `runs/${run}/report.json` }));
      return JSON.parse((await Body?.transformToString()) ?? '');
    },
    kill: (functionName) => {
      for (const pid of childrenOf(localStack.pid() ?? 0))
        if (readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`AWS_LAMBDA_FUNCTION_NAME=${functionName}\0`))
          process.kill(pid, 'SIGKILL');
    },
  };
}

async function historyOf(sfn: SFNClient, executionArn: string | undefined): Promise<HistoryEvent[]> {
  const { events = [] } = await sfn.send(new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }));
  return events;
}

/** As the hub's stack has it, with the function's ARN. */
function definitionOf(topology: Topology, reconcile: ReconcileOptions, functionArn: string): string {
  const stage = new HubStage(strictApp(), { topology, deployment: { ...deploymentWith({}), reconcile } });
  const stack = stage.synth().getStackByName('Concord-hub-Reconcile');
  const { DefinitionString } = resourceOf(
    Template.fromJSON(stack.template),
    'AWS::StepFunctions::StateMachine',
  ).Properties;
  const parts: readonly unknown[] = DefinitionString['Fn::Join'][1];
  return parts.map((part) => (typeof part === 'string' ? part : functionArn)).join('');
}

const filesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
  );

async function publishLayers(lambda: LambdaClient): Promise<string[]> {
  return Promise.all(
    LAYER_NAMES.map(async (layer) => {
      const ZipFile = await zipOf(filesOf(layerFolder(layer)));
      const made = await lambda.send(
        new PublishLayerVersionCommand({ LayerName: `reconcile-${layer}`, Content: { ZipFile } }),
      );
      return made.LayerVersionArn ?? '';
    }),
  );
}

type Made = { readonly name: FunctionName & keyof typeof TIMEOUT; readonly functionName: string };

const creating =
  (lambda: LambdaClient, topology: Topology, region: string, Layers: string[]) =>
  ({ name, functionName }: Made, variables: Readonly<Record<string, string>>): Promise<string> =>
    createFunction(lambda, functionName, {
      files: filesOf(functionFolder(name, topology)),
      handler: 'index.handler',
      Timeout: TIMEOUT[name],
      MemorySize: 512,
      Layers,
      Environment: { Variables: { CONCORD_REGION: region, ...variables } },
    });

async function createReconcile(lambda: LambdaClient, topology: Topology, bucket: string): Promise<string> {
  const create = creating(lambda, topology, topology.hub, await publishLayers(lambda));
  return create(
    { name: 'reconcile', functionName: reconcileFunction(topology.hub) },
    { CONCORD_RECONCILE: JSON.stringify({ bucket, accounts: {} }) },
  );
}

/** Functions want a password; the server does not ask for it. */
const urlOf = ({ url }: TestDatabase, role: string): string => url(role).replace(`${role}@`, `${role}:any@`);

async function createRegion(
  localStack: LocalStack,
  topology: Topology,
  { name: region, database }: Region,
): Promise<void> {
  const lambda = new LambdaClient(localStack.clientConfig(region));
  const create = creating(lambda, topology, region, await publishLayers(lambda));
  const apply = await create(
    { name: 'apply', functionName: `concord-${region}-apply` },
    { CONCORD_DATABASE_URL: urlOf(database, 'concord_apply') },
  );
  await create(
    { name: 'digest', functionName: digestFunction(region) },
    { CONCORD_DATABASE_URL: urlOf(database, 'concord_operator') },
  );
  await create({ name: 'repair', functionName: repairFunction(region) }, { CONCORD_APPLY_FUNCTION: apply });
}
