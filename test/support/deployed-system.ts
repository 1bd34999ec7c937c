import { after } from 'node:test';
import { CreateSecretCommand, DeleteSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { isHeartbeat, type Topology, topicOf } from '@concord/events';
import { recordsOf } from '@concord/runtime';
import type { LocalStack } from '../../local/localstack/localstack.ts';
import { type DeployedMappings, type Invocation, startDeployedMappings } from '../../local/localstack/mappings.ts';
import { committedUsOf, type LagHistogram, lagHistogram } from '../../local/region/lag.ts';
import { localTopology } from '../../local/region/topology.ts';
import { type DeployedApp, deployedApp, type Ran } from './deployed-app.ts';
import { type Console, consoleOf } from './deployed-aws.ts';
import { type DeployedDatabase, hasPgbouncer, startDeployedDatabases } from './deployed-databases.ts';
import { type DeployedKafka, startDeployedKafka } from './deployed-kafka.ts';
import { useKafka } from './kafka.ts';
import { useLocalStack } from './localstack.ts';

/** What is there before anything is deployed, and what the mappings did since they were started. */
export type Deployed = {
  readonly localStack: LocalStack;
  readonly app: DeployedApp;
  /** Of both regions, which takes its time while the rest is started. */
  readonly bootstrap: Ran;
  readonly regions: readonly string[];
  readonly topology: (tables: readonly string[]) => Topology;
  /** One region signs in through a pooler where there is one, the other to its database. */
  readonly deployment: (options?: DeploymentOptions) => object;
  readonly databases: readonly DeployedDatabase[];
  readonly database: (region: string) => DeployedDatabase;
  readonly kafka: DeployedKafka;
  readonly console: (region: string) => Console;
  /** Starts what polls, in all regions; once. */
  readonly startMappings: () => Promise<void>;
  readonly mappings: (region: string) => DeployedMappings;
  readonly seen: Seen;
};

export type DeploymentOptions = {
  /** Of the secret that is told to be the administrator's, by region. */
  readonly adminSecret?: Readonly<Record<string, string>>;
};

/** Of all invocations of apply. */
export type Seen = {
  invocations: number;
  failed: number;
  /** The most at a time of one mapping. */
  concurrency: number;
  readonly lag: LagHistogram;
  readonly errors: Set<string>;
};

export const REGIONS = ['us-east-1', 'eu-west-1'] as const;
/** Takes batches that were given up; the other region retries for ever. */
export const WITH_DESTINATION = 'eu-west-1';
/** Signs in through the pooler. */
export const POOLED = 'us-east-1';
const PARTITIONS = 3;
const PREFIX = 'deployed-test';
export const ADMIN_SECRET = `${PREFIX}/admin`;
/** Lambda's is longer; here all retries of a batch have to be over in a moment. */
const RETRY_DELAY = { minMs: 10, maxMs: 50 };
/** Seconds. A batch takes milliseconds; one that cannot be done is given back after this, less a reserve. */
const TIMEOUT_S = 10;

export const say = (line: string): void => void process.stdout.write(`  ${line}\n`);

/** Starts all of it at the first call. Call it at the top of a file; everything ends with the file. */
export function useDeployed(): () => Promise<Deployed> {
  const ends: (() => Promise<unknown>)[] = [];
  let starting: Promise<Deployed> | undefined;
  // Registered first, so that it runs first: LocalStack and broker are still there.
  after(async () => {
    await starting?.catch(() => undefined);
    const results = [];
    for (const end of ends.reverse()) results.push(...(await Promise.allSettled([end()])));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
  const localStack = useLocalStack();
  const kafka = useKafka();
  const start = async (): Promise<Deployed> => {
    const regions: readonly string[] = REGIONS;
    const topology = (tables: readonly string[]): Topology => toldOf(localTopology(regions, tables, PARTITIONS));
    const [{ aws, app, bootstrap }, ofRun, databases] = await Promise.all([
      localStack().then(async (started) => {
        const app = deployedApp(started);
        return { aws: started, app, bootstrap: await app.bootstrap(regions) };
      }),
      kafka(),
      startDeployedDatabases(regions, hasPgbouncer() ? [POOLED] : []),
    ]);
    ends.push(() => Promise.all(databases.map((database) => database.stop())));
    const broker = await startDeployedKafka(ofRun, topology([]), credentialsOf(aws));
    ends.push(broker.stop);
    const database = (region: string): DeployedDatabase => named(databases, region);
    for (const region of regions)
      ends.push(await createSecrets(aws, region, secretsOf(region, database(region), broker)));
    const seen: Seen = { invocations: 0, failed: 0, concurrency: 0, lag: lagHistogram(), errors: new Set() };
    const mappings = new Map<string, DeployedMappings>();
    return {
      ...{ localStack: aws, app, bootstrap, regions, topology, databases, database, kafka: broker, seen },
      deployment: (options) => deploymentOf(databases, broker, options),
      console: (region) => consoleOf(aws, region),
      startMappings: async () => {
        for (const region of regions) {
          const onWarning = (message: string): void => say(`${region}: ${message}`);
          const onInvocation = (invocation: Invocation): void => note(seen, invocation);
          const options = { localStack: aws, region, retryDelay: RETRY_DELAY, onInvocation, onWarning };
          const started = await startDeployedMappings(options);
          ends.push(started.stop);
          mappings.set(region, started);
        }
      },
      mappings: (region) => mappings.get(region) as DeployedMappings,
    };
  };
  return () => {
    starting ??= start();
    return starting;
  };
}

/** Somebody is told of conflicts in any of its tables. */
const toldOf = (topology: Topology): Topology => ({
  ...topology,
  tables: topology.tables.map((table) => ({ ...table, review: 'alert' })),
});

function named(databases: readonly DeployedDatabase[], region: string): DeployedDatabase {
  const found = databases.find(({ name }) => name === region);
  if (found === undefined) throw new Error(`no region '${region}'`);
  return found;
}

const credentialsOf = (localStack: LocalStack): Readonly<Record<string, string>> => {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = localStack.env();
  return { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY };
};

/** What users have to bring where database and Kafka are there already. */
const secretsOf = (region: string, { admin }: DeployedDatabase, kafka: DeployedKafka) => {
  const { name: username, password } = kafka.reader(region);
  return {
    [ADMIN_SECRET]: admin,
    [`${PREFIX}/kafka-reader`]: { username, password },
    [`${PREFIX}/kafka-ca`]: { certificate: kafka.broker.secure.caPem },
  };
};

/** Returns the function that deletes them again. */
async function createSecrets(
  localStack: LocalStack,
  region: string,
  secrets: Readonly<Record<string, object>>,
): Promise<() => Promise<void>> {
  const manager = new SecretsManagerClient(localStack.clientConfig(region));
  for (const [Name, value] of Object.entries(secrets))
    await manager.send(new CreateSecretCommand({ Name, SecretString: JSON.stringify(value) }));
  return async () => {
    for (const SecretId of Object.keys(secrets))
      await manager.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
    manager.destroy();
  };
}

function deploymentOf(
  databases: readonly DeployedDatabase[],
  { broker }: DeployedKafka,
  { adminSecret = {} }: DeploymentOptions = {},
): object {
  const databaseOf = ({ name, cluster, databaseName, pooler }: DeployedDatabase): object => ({
    ...{ kind: 'existing', host: cluster.host, port: cluster.port, name: databaseName },
    ...{ adminSecret: adminSecret[name] ?? ADMIN_SECRET, sslmode: 'disable', cidr: '127.0.0.1/32' },
    ...(pooler && { proxy: { host: pooler.host, port: pooler.port } }),
  });
  const kafka = {
    ...{ kind: 'existing', bootstrapServers: [broker.secure.bootstrap] },
    ...{ readerSecret: `${PREFIX}/kafka-reader`, caSecret: `${PREFIX}/kafka-ca` },
  };
  const apply = (region: string): object => ({
    timeoutSeconds: TIMEOUT_S,
    failedBatches: region === WITH_DESTINATION,
  });
  const [first] = databases;
  return {
    defaults: {
      ...{ network: { kind: 'create' }, kafka, enroll: {}, operations: {} },
      ...{ database: first && databaseOf(first), apply: first && apply(first.name) },
    },
    regions: Object.fromEntries(
      databases.map((database) => [database.name, { database: databaseOf(database), apply: apply(database.name) }]),
    ),
  };
}

/** The records of an answered batch are committed: how long each took since its own commit, ms. */
function note(seen: Seen, { event, concurrency, endedAtMs, error }: Invocation): void {
  seen.invocations++;
  seen.concurrency = Math.max(seen.concurrency, concurrency);
  if (error !== undefined) {
    seen.failed++;
    seen.errors.add(error.message);
    return;
  }
  for (const record of recordsOf(event)) {
    const us = isHeartbeat(record) ? undefined : committedUsOf(record.value);
    if (us !== undefined) seen.lag.add(endedAtMs - us / 1000);
  }
}

/** Resolves when all that is committed now, anywhere, has been handled by the mapping of every other region. */
export async function drained({ regions, database, kafka, mappings }: Deployed): Promise<void> {
  await Promise.all(regions.map((region) => kafka.captured(region, database(region).url())));
  await Promise.all(
    regions.flatMap((into) =>
      regions.filter((from) => from !== into).map((from) => mappings(into).of(topicOf(from)).drained()),
    ),
  );
}
