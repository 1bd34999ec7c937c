import { type EventSourceMappingConfiguration, InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { KafkaEvent } from '@concord/events';
import { closeClient, kafkaClient } from '../kafka/client.ts';
import { kafkaSource } from '../kafka/source.ts';
import { type Mapping, type MappingOptions, startMapping } from '../mapping/event-source-mapping.ts';
import { FunctionError } from '../mapping/invocation.ts';
import type { StartingPosition } from '../mapping/source.ts';
import { destinationOf } from './failed-batches.ts';

export type Invocation = {
  readonly functionArn: string;
  readonly topic: string;
  readonly event: KafkaEvent;
  /** Invocations of this mapping under way when this one began, itself among them. */
  readonly concurrency: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Why Lambda calls it failed; undefined where the function answered, if only with failed items. */
  readonly error: Error | undefined;
};

export type MappingStart = {
  /** Between attempts of a batch; default as `MappingOptions`. Lambda's own is longer and not documented. */
  readonly retryDelay?: MappingOptions['retryDelay'];
  /** Told of every invocation that was answered. */
  readonly onInvocation?: (invocation: Invocation) => void;
  readonly onWarning: (message: string) => void;
};

export type Started = { readonly mapping: Mapping; readonly close: () => void };

export type Clients = { readonly lambda: LambdaClient; readonly s3: S3Client; readonly secrets: SecretsManagerClient };

/** Invocations at a time of one provisioned poller. */
const POLLER_CONCURRENCY = 5;

/** What the API always tells, though its types do not say so. */
export function named<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`an event source mapping without ${name}`);
  return value;
}

/** Reads, invokes and gives up as one mapping is told to. Rejects when its secrets cannot be read. */
export async function startDeployedMapping(
  deployed: EventSourceMappingConfiguration,
  clients: Clients,
  options: MappingStart,
): Promise<Started> {
  const topic = named(deployed.Topics?.[0], 'Topics');
  const kafka = await kafkaOf(deployed, clients.secrets, options.onWarning);
  try {
    const source = await kafkaSource({
      ...{ kafka, topic, onWarning: options.onWarning },
      group: deployed.SelfManagedKafkaEventSourceConfig?.ConsumerGroupId ?? named(deployed.UUID, 'UUID'),
      from: (deployed.StartingPosition as StartingPosition | undefined) ?? 'TRIM_HORIZON',
    });
    const mapping = await startMapping({
      ...{ source, invoke: invoker(deployed, clients.lambda, options) },
      ...limitsOf(deployed),
      ...(options.retryDelay && { retryDelay: options.retryDelay }),
      ...destinationOf(deployed, bootstrapOf(deployed), clients.s3),
    });
    return { mapping, close: () => closeClient(kafka) };
  } catch (error) {
    closeClient(kafka);
    throw error;
  }
}

/** -1 and absent mean the same in both; a number of the API is passed on as it is. */
const limitsOf = (deployed: EventSourceMappingConfiguration) =>
  ({
    batchSize: deployed.BatchSize ?? 100,
    batchWindowMs: (deployed.MaximumBatchingWindowInSeconds ?? 0) * 1000,
    concurrency: (deployed.ProvisionedPollerConfig?.MinimumPollers ?? 1) * POLLER_CONCURRENCY,
    maximumRetryAttempts: deployed.MaximumRetryAttempts ?? -1,
    maximumRecordAgeMs: (deployed.MaximumRecordAgeInSeconds ?? -1) * 1000,
    bisectBatchOnFunctionError: deployed.BisectBatchOnFunctionError ?? false,
    reportBatchItemFailures: deployed.FunctionResponseTypes?.includes('ReportBatchItemFailures') ?? false,
  }) satisfies Partial<MappingOptions>;

const bootstrapOf = (deployed: EventSourceMappingConfiguration): string =>
  named(deployed.SelfManagedEventSource?.Endpoints?.KAFKA_BOOTSTRAP_SERVERS, 'bootstrap servers').join(',');

/** Signs in as the mapping is told to: SCRAM-SHA-512 over TLS, with the certificate of a CA of one's own. */
async function kafkaOf(
  deployed: EventSourceMappingConfiguration,
  client: SecretsManagerClient,
  onWarning: (message: string) => void,
) {
  const read = async (type: string): Promise<Record<string, string>> => {
    const access = deployed.SourceAccessConfigurations?.find(({ Type }) => Type === type);
    const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId: named(access?.URI, type) }));
    return JSON.parse(SecretString);
  };
  const [login, authority] = await Promise.all([read('SASL_SCRAM_512_AUTH'), read('SERVER_ROOT_CA_CERTIFICATE')]);
  const secure = {
    name: named(login.username, 'username'),
    password: named(login.password, 'password'),
    caPem: named(authority.certificate, 'certificate'),
  };
  return kafkaClient({ bootstrap: bootstrapOf(deployed), secure, onWarning });
}

/** Through the API: what the function throws, and its timeouts and crashes, come back as `FunctionError`. */
function invoker(
  deployed: EventSourceMappingConfiguration,
  lambda: LambdaClient,
  { onInvocation }: MappingStart,
): MappingOptions['invoke'] {
  const [functionArn, topic] = [named(deployed.FunctionArn, 'FunctionArn'), named(deployed.Topics?.[0], 'Topics')];
  const origin = { eventSource: 'SelfManagedKafka', bootstrapServers: bootstrapOf(deployed) } as const;
  let underWay = 0;
  return async (delivered) => {
    const event: KafkaEvent = { ...origin, records: delivered.records };
    const told = { functionArn, topic, event, concurrency: ++underWay, startedAtMs: Date.now() };
    let error: Error | undefined;
    try {
      return await invoke(lambda, functionArn, event);
    } catch (thrown) {
      error = thrown as Error;
      throw error;
    } finally {
      underWay--;
      onInvocation?.({ ...told, endedAtMs: Date.now(), error });
    }
  };
}

async function invoke(lambda: LambdaClient, functionArn: string, event: KafkaEvent): Promise<unknown> {
  const answer = await lambda.send(
    new InvokeCommand({ FunctionName: functionArn, InvocationType: 'RequestResponse', Payload: JSON.stringify(event) }),
  );
  const result = JSON.parse(answer.Payload?.transformToString() || 'null');
  if (answer.FunctionError === undefined) return result;
  throw new FunctionError(result?.errorType ?? answer.FunctionError, result?.errorMessage ?? '', stackOf(result));
}

const stackOf = (result: { readonly trace?: readonly string[] } | null): string | undefined =>
  result?.trace?.join('\n') || undefined;
