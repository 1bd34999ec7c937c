import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import {
  CreateEventSourceMappingCommand,
  type CreateEventSourceMappingCommandInput,
  DeleteEventSourceMappingCommand,
  type EventSourceMappingConfiguration,
  GetEventSourceMappingCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
  UpdateEventSourceMappingCommand,
} from '@aws-sdk/client-lambda';
import { ACCOUNT } from '../../local/localstack/localstack.ts';
import { localStackOrSkip, useLocalStack } from '../support/localstack.ts';
import { createFunction } from '../support/localstack-functions.ts';
import { stacks } from '../support/stacks.ts';

const REGION = 'sa-east-1';
const localStack = useLocalStack();

/** All that a mapping of Concord is made of, as of the sources. */
const COMMON = {
  BatchSize: 1000,
  BisectBatchOnFunctionError: true,
  DestinationConfig: { OnFailure: { Destination: 'arn:aws:s3:::failed-batches' } },
  FunctionResponseTypes: ['ReportBatchItemFailures'],
  MaximumBatchingWindowInSeconds: 0,
  MaximumRecordAgeInSeconds: -1,
  MaximumRetryAttempts: -1,
  ProvisionedPollerConfig: { MinimumPollers: 1, MaximumPollers: 4 },
  StartingPosition: 'TRIM_HORIZON',
} as const satisfies Partial<CreateEventSourceMappingCommandInput>;

const MSK = {
  EventSourceArn: `arn:aws:kafka:${REGION}:${ACCOUNT}:cluster/concord/11111111-2222-3333-4444-555555555555-1`,
  AmazonManagedKafkaEventSourceConfig: { ConsumerGroupId: 'concord-apply-eu-west-1' },
  Topics: ['cdc.eu-west-1'],
} as const;

const SELF_MANAGED = {
  SelfManagedEventSource: { Endpoints: { KAFKA_BOOTSTRAP_SERVERS: ['localhost:9096'] } },
  SelfManagedKafkaEventSourceConfig: { ConsumerGroupId: 'concord-apply-us-east-1' },
  SourceAccessConfigurations: [
    { Type: 'SASL_SCRAM_512_AUTH', URI: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:user-aaaaaa` },
    { Type: 'SERVER_ROOT_CA_CERTIFICATE', URI: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:ca-aaaaaa` },
  ],
  Topics: ['cdc.us-east-1'],
} as const;

describe('event source mappings on LocalStack', { skip: localStackOrSkip() }, () => {
  let lambda: LambdaClient;
  let deploy: ReturnType<typeof stacks>;
  let FunctionArn: string;
  before(async () => {
    const config = (await localStack()).clientConfig(REGION);
    lambda = new LambdaClient(config);
    deploy = stacks(new CloudFormationClient(config));
    FunctionArn = await createFunction(lambda, 'mapped', { handler: 'index.echo' });
  });
  const get = (UUID: string): Promise<EventSourceMappingConfiguration> =>
    lambda.send(new GetEventSourceMappingCommand({ UUID }));
  const until = async (UUID: string, state: string): Promise<EventSourceMappingConfiguration> => {
    for (;;) {
      const mapping = await get(UUID);
      if (mapping.State === state) return mapping;
      await delay(20);
    }
  };
  const list = async (): Promise<EventSourceMappingConfiguration[]> => {
    const listed = await lambda.send(new ListEventSourceMappingsCommand({ FunctionName: 'mapped' }));
    return listed.EventSourceMappings ?? [];
  };
  /** The properties asked for, of those a mapping has. */
  const same = (mapping: EventSourceMappingConfiguration, wanted: Readonly<Record<string, unknown>>): void => {
    const entries = Object.keys(wanted).map((name) => [name, mapping[name as keyof EventSourceMappingConfiguration]]);
    assert.deepEqual(Object.fromEntries(entries), wanted);
  };

  for (const [name, source] of [
    ['MSK', MSK],
    ['brokers of our own', SELF_MANAGED],
  ] as const)
    test(`of ${name}: kept as asked for, disabled, enabled, updated, deleted`, async () => {
      const wanted = { ...COMMON, ...source };
      const asked = new CreateEventSourceMappingCommand({
        FunctionName: FunctionArn,
        ...structuredClone(wanted),
      } as never);
      const { UUID } = await lambda.send(asked);
      same(await until(UUID!, 'Enabled'), { ...wanted, FunctionArn });
      assert.deepEqual(
        (await list()).map((mapping) => mapping.UUID),
        [UUID],
      );
      await lambda.send(new UpdateEventSourceMappingCommand({ UUID, Enabled: false }));
      same(await until(UUID!, 'Disabled'), wanted);
      const ProvisionedPollerConfig = { MinimumPollers: 2, MaximumPollers: 8 };
      await lambda.send(new UpdateEventSourceMappingCommand({ UUID, Enabled: true, ProvisionedPollerConfig }));
      same(await until(UUID!, 'Enabled'), { ...wanted, ProvisionedPollerConfig });
      await lambda.send(new DeleteEventSourceMappingCommand({ UUID }));
      while ((await list()).length > 0) await delay(20);
    });

  for (const [name, source] of [
    ['MSK', MSK],
    ['brokers of our own', forCloudFormation(SELF_MANAGED)],
  ] as const)
    test(`of ${name}, through CloudFormation`, async () => {
      const stack = `mapping-${name.replaceAll(' ', '-')}`;
      const template = (more: Readonly<Record<string, unknown>>) => ({
        Resources: {
          Mapping: {
            Type: 'AWS::Lambda::EventSourceMapping',
            Properties: { FunctionName: FunctionArn, ...COMMON, ...source, ...more },
          },
        },
        Outputs: { Id: { Value: { Ref: 'Mapping' } } },
      });
      const { status, outputs, reasons } = await deploy.create(stack, template({ Enabled: false }));
      assert.equal(status, 'CREATE_COMPLETE', reasons.join('\n'));
      const wanted = { ...COMMON, ...(name === 'MSK' ? MSK : SELF_MANAGED) };
      same(await until(outputs.Id!, 'Disabled'), { ...wanted, FunctionArn });
      const more = { BatchSize: 50, ProvisionedPollerConfig: { MinimumPollers: 3, MaximumPollers: 3 } };
      const updated = await deploy.update(stack, template({ Enabled: true, ...more }));
      assert.equal(updated.status, 'UPDATE_COMPLETE', updated.reasons.join('\n'));
      same(await until(outputs.Id!, 'Enabled'), { ...wanted, ...more });
      assert.equal((await deploy.delete(stack)).status, 'DELETE_COMPLETE');
      while ((await list()).length > 0) await delay(20);
    });
});

/** CloudFormation writes the one name in camel case that the API writes in capitals. */
function forCloudFormation({ SelfManagedEventSource, ...source }: typeof SELF_MANAGED) {
  const { KAFKA_BOOTSTRAP_SERVERS: KafkaBootstrapServers } = SelfManagedEventSource.Endpoints;
  return { ...source, SelfManagedEventSource: { Endpoints: { KafkaBootstrapServers } } };
}
