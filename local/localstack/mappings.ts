import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type EventSourceMappingConfiguration,
  InvokeCommand,
  LambdaClient,
  paginateListEventSourceMappings,
} from '@aws-sdk/client-lambda';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { FailedBatch as FailedBatchObject, KafkaEvent } from '@concord/events';
import { FAILED_BATCH_PREFIX } from '@concord/events';
import { closeClient, kafkaClient } from '../kafka/client.ts';
import { kafkaSource } from '../kafka/source.ts';
import { type FailedBatch, type Mapping, type MappingOptions, startMapping } from '../mapping/event-source-mapping.ts';
import { FunctionError } from '../mapping/invocation.ts';
import type { StartingPosition } from '../mapping/source.ts';
import type { LocalStack } from './localstack.ts';

export type DeployedMappingsOptions = {
  readonly localStack: Pick<LocalStack, 'clientConfig'>;
  readonly region: string;
  /** Between attempts of a batch; default as `MappingOptions`. Lambda's own is longer and not documented. */
  readonly retryDelay?: MappingOptions['retryDelay'];
  /** Told of every invocation that was answered. */
  readonly onInvocation?: (invocation: Invocation) => void;
  readonly onWarning: (message: string) => void;
};

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

/** The event source mappings of one region, as deployed, with what polls and invokes for them. */
export type DeployedMappings = {
  /** Asks the API at once; resolves when what it tells is what runs. */
  readonly refresh: () => Promise<void>;
  /** The one that reads a topic, paused or not. Throws when there is none. */
  readonly of: (topic: string) => Mapping;
  readonly topics: () => string[];
  readonly stop: () => Promise<void>;
};

type Running = { readonly settings: string; readonly mapping: Mapping; readonly close: () => void; enabled: boolean };

type Clients = { readonly lambda: LambdaClient; readonly s3: S3Client; readonly secrets: SecretsManagerClient };

const POLL_MS = 500;
/** Invocations at a time of one provisioned poller. */
const POLLER_CONCURRENCY = 5;

/**
 * What Lambda's pollers do for the mappings that are deployed in a region: each self-managed Kafka is read with the account and the
 * certificate in the mapping's secrets, the function is invoked through Lambda's API, and what is given up becomes an object in
 * the bucket of the mapping's destination. Mappings that come, go, change, or are enabled and disabled are followed. Rejects when
 * one that is there now cannot be started.
 */
export async function startDeployedMappings(options: DeployedMappingsOptions): Promise<DeployedMappings> {
  const config = { ...options.localStack.clientConfig(options.region), maxAttempts: 1 };
  const clients: Clients = {
    lambda: new LambdaClient(config),
    s3: new S3Client({ ...config, forcePathStyle: true }),
    secrets: new SecretsManagerClient(config),
  };
  const running = new Map<string, Running & { readonly topic: string }>();
  const stopping = new AbortController();

  const end = async (uuid: string): Promise<void> => {
    const found = running.get(uuid);
    running.delete(uuid);
    await found?.mapping.stop();
    found?.close();
  };
  const follow = async (deployed: EventSourceMappingConfiguration): Promise<void> => {
    const [uuid, topic] = [named(deployed.UUID, 'UUID'), named(deployed.Topics?.[0], 'Topics')];
    const isEnabled = deployed.State === 'Enabled';
    const settings = settingsOf(deployed);
    if (running.has(uuid) && running.get(uuid)?.settings !== settings) await end(uuid);
    if (!running.has(uuid) && isEnabled)
      running.set(uuid, { topic, settings, enabled: true, ...(await start(deployed, clients, options)) });
    const found = running.get(uuid);
    if (found === undefined || found.enabled === isEnabled) return;
    if (isEnabled) found.mapping.resume();
    else found.mapping.pause();
    found.enabled = isEnabled;
  };
  const refreshNow = async (): Promise<void> => {
    const deployed = await readMappings(clients.lambda);
    const there = new Set(deployed.map(({ UUID }) => UUID));
    for (const uuid of [...running.keys()]) if (!there.has(uuid)) await end(uuid);
    for (const mapping of deployed) await follow(mapping);
  };
  let last: Promise<void> = Promise.resolve();
  const refresh = (): Promise<void> => {
    const next = last.then(refreshNow);
    last = next.catch(() => undefined);
    return next;
  };
  const poll = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await delay(POLL_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (!stopping.signal.aborted)
        await refresh().catch((error: Error) => options.onWarning(`${options.region}: mappings: ${error.message}`));
    }
  };
  const stop = async (): Promise<void> => {
    stopping.abort();
    await polling;
    await last;
    await Promise.all([...running.keys()].map(end));
    for (const client of Object.values(clients)) client.destroy();
  };
  let polling: Promise<void> = Promise.resolve();
  try {
    await refresh();
  } catch (error) {
    await stop();
    throw error;
  }
  polling = poll();
  return {
    refresh,
    of: (topic) => {
      const found = [...running.values()].find((candidate) => candidate.topic === topic);
      if (found === undefined) throw new Error(`no mapping of ${options.region} reads '${topic}'`);
      return found.mapping;
    },
    topics: () => [...running.values()].map(({ topic }) => topic).sort(),
    stop,
  };
}

async function readMappings(client: LambdaClient): Promise<EventSourceMappingConfiguration[]> {
  const mappings: EventSourceMappingConfiguration[] = [];
  for await (const page of paginateListEventSourceMappings({ client }, {}))
    mappings.push(...(page.EventSourceMappings ?? []).filter(({ SelfManagedEventSource }) => SelfManagedEventSource));
  return mappings;
}

/** What a mapping is started anew for. */
const settingsOf = ({ State, StateTransitionReason, LastModified, ...settings }: EventSourceMappingConfiguration) =>
  JSON.stringify(settings);

function named<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`an event source mapping without ${name}`);
  return value;
}

async function start(
  deployed: EventSourceMappingConfiguration,
  clients: Clients,
  options: DeployedMappingsOptions,
): Promise<Pick<Running, 'mapping' | 'close'>> {
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
      ...destinationOf(deployed, clients.s3),
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
  { onInvocation }: DeployedMappingsOptions,
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

/** What infinite retries are where there is a destination. */
const MOST_RETRIES = 10;
const retriesOf = ({ MaximumRetryAttempts = -1 }: EventSourceMappingConfiguration): number =>
  MaximumRetryAttempts < 0 ? MOST_RETRIES : MaximumRetryAttempts;

const BUCKET_ARN = /^arn:[^:]+:s3:::(.+)$/;

/** Only buckets: other destinations get no records, so Concord has none. */
function destinationOf(deployed: EventSourceMappingConfiguration, s3: S3Client): Pick<MappingOptions, 'onFailure'> {
  const arn = deployed.DestinationConfig?.OnFailure?.Destination;
  if (arn === undefined) return {};
  const Bucket = BUCKET_ARN.exec(arn)?.[1];
  if (Bucket === undefined) throw new Error(`the on-failure destination ${arn} is no bucket`);
  return {
    onFailure: async (failed) => {
      const at = new Date().toISOString();
      const Key = `${FAILED_BATCH_PREFIX}${deployed.UUID}/${at.replaceAll(':', '.').slice(0, 19)}-${randomUUID()}`;
      const Body = JSON.stringify(objectOf(failed, deployed, at));
      await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: 'application/json' }));
    },
  };
}

type RecordsInfo = Readonly<Record<string, Readonly<Record<string, string>>>>;

function recordsInfo({ records }: KafkaEvent): RecordsInfo {
  const timestamp = (ms: number | undefined): string => new Date(ms ?? 0).toISOString();
  return Object.fromEntries(
    Object.entries(records).map(([partition, all]) => [
      partition,
      {
        firstRecordOffset: String(all[0]?.offset),
        lastRecordOffset: String(all.at(-1)?.offset),
        firstRecordTimestamp: timestamp(all[0]?.timestamp),
        lastRecordTimestamp: timestamp(all.at(-1)?.timestamp),
      },
    ]),
  );
}

/** As Lambda writes it: see `events/failed-batch.ts`. */
function objectOf(
  { event, condition }: FailedBatch,
  deployed: EventSourceMappingConfiguration,
  timestamp: string,
): FailedBatchObject {
  const bootstrapServers = bootstrapOf(deployed);
  const payload = JSON.stringify({ ...event, eventSource: 'SelfManagedKafka', bootstrapServers } satisfies KafkaEvent);
  const requestContext = {
    requestId: randomUUID(),
    functionArn: deployed.FunctionArn,
    condition,
    approximateInvokeCount: retriesOf(deployed),
  };
  const info = {
    batchSize: Object.values(event.records).flat().length,
    eventSourceArn: deployed.EventSourceMappingArn,
    bootstrapServers,
    payloadSize: Buffer.byteLength(payload),
    recordsInfo: recordsInfo(event),
  };
  const responseContext = { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' };
  return { requestContext, responseContext, version: '1.0', timestamp, KafkaBatchInfo: info, payload };
}
