import { setTimeout as delay } from 'node:timers/promises';
import {
  type EventSourceMappingConfiguration,
  LambdaClient,
  paginateListEventSourceMappings,
} from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Mapping } from '../mapping/event-source-mapping.ts';
import { type Clients, type MappingStart, named, type Started, startDeployedMapping } from './deployed-mapping.ts';
import type { LocalStack } from './localstack.ts';

export type { Invocation } from './deployed-mapping.ts';

export type DeployedMappingsOptions = MappingStart & {
  readonly localStack: Pick<LocalStack, 'clientConfig'>;
  readonly region: string;
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

type Running = Started & { readonly topic: string; readonly settings: string; enabled: boolean };

const POLL_MS = 500;
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
  const running = new Map<string, Running>();
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
      running.set(uuid, {
        topic,
        settings,
        enabled: true,
        ...(await startDeployedMapping(deployed, clients, options)),
      });
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
