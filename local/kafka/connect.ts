import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onCleanup } from '../process/cleanup.ts';
import { freePort } from '../process/free-port.ts';
import { runningPid } from '../process/pid-file.ts';
import { runDirectory } from '../process/run-directory.ts';
import type { Broker } from './broker.ts';
import { type Compiler, endJava, type JavaProgram, killJava, logOf, residentBytesOf, startJava } from './java.ts';
import type { KafkaSoftware } from './software.ts';

/** One Kafka Connect worker in distributed mode, as MSK Connect runs them: its state is in topics of its own. */
export type ConnectWorker = {
  /** Of its REST API. */
  readonly url: string;
  readonly pid: () => number | null;
  readonly residentBytes: () => number | undefined;
  /** The end of its log. */
  readonly log: () => Promise<string>;
  /** Resolves when the process is gone. */
  readonly kill: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>;
  /** Starts it again after `kill`; its connectors go on from their stored offsets. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** An account that may keep the worker's group and topics, and the certificate that the broker's is checked against. */
export type ConnectSecurity = { readonly user: string; readonly password: string; readonly caFile: string };

export type ConnectOptions = {
  readonly software: Pick<KafkaSoftware, 'java' | 'classPath' | 'pluginPath'>;
  readonly broker: Pick<Broker, 'bootstrap' | 'secure'>;
  /** For the broker's secure listener; without it the worker and its connectors use the plain one. */
  readonly security?: ConnectSecurity;
  /** Properties of the worker beside, or in place of, those that it has anyway. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Default `quick`. */
  readonly compiler?: Compiler;
};

const MAX_HEAP_MB = 256;
let count = 0;

/** Starts a worker in this process's run directory; several may share a broker. It ends with this process at the latest. */
export async function startConnect({
  software,
  broker,
  security,
  properties: more = {},
  compiler = 'quick',
}: ConnectOptions): Promise<ConnectWorker> {
  const directory = join(runDirectory(), `connect-${++count}`);
  mkdirSync(directory);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const properties = join(directory, 'connect.properties');
  const settings = {
    'bootstrap.servers': security ? broker.secure.bootstrap : broker.bootstrap,
    ...workerSettings(software.pluginPath, url, `connect-${randomUUID()}`),
    ...(security && loginSettings(security)),
    ...more,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(properties, lines.join(''), { mode: 0o600 });
  const program: JavaProgram = {
    java: software.java,
    classPath: software.classPath,
    directory,
    mainClass: 'org.apache.kafka.connect.cli.ConnectDistributed',
    args: [properties],
    maxHeapMb: MAX_HEAP_MB,
    compiler,
  };
  const forget = onCleanup({ kill: () => killJava(directory) });
  const start = (): Promise<void> => startJava(program, () => isReady(url));
  await start();
  return {
    url,
    pid: () => runningPid(directory),
    residentBytes: () => residentBytesOf(directory),
    log: () => logOf(directory),
    kill: (signal) => endJava(directory, signal),
    start,
    stop: async () => {
      await endJava(directory, 'SIGKILL');
      forget();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The worker answers this only when it has joined its group and read its configuration. */
async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`);
    return response.status === 200;
  } catch {
    return false;
  }
}

type Settings = Readonly<Record<string, string | number>>;

function workerSettings(pluginPath: string, url: string, group: string): Settings {
  return {
    'group.id': group,
    listeners: url,
    'plugin.path': pluginPath,
    'plugin.discovery': 'service_load',
    'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'key.converter.schemas.enable': 'false',
    'value.converter.schemas.enable': 'false',
    'config.storage.topic': `_${group}.configs`,
    'config.storage.replication.factor': 1,
    'offset.storage.topic': `_${group}.offsets`,
    'offset.storage.replication.factor': 1,
    'offset.storage.partitions': 1,
    'status.storage.topic': `_${group}.status`,
    'status.storage.replication.factor': 1,
    'status.storage.partitions': 1,
    'offset.flush.interval.ms': 1000,
    'connector.client.config.override.policy': 'All',
    // A worker that comes back gets its connectors at once; by default the group waits five minutes for it.
    'scheduled.rebalance.max.delay.ms': 0,
  };
}

/** For the worker itself, and for what its connectors write and read unless they log in as somebody else. */
function loginSettings({ user, password, caFile }: ConnectSecurity): Settings {
  const login: Settings = {
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': 'SCRAM-SHA-512',
    'sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${password}";`,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': caFile,
  };
  const prefixes = ['', 'producer.', 'consumer.', 'admin.'];
  return Object.fromEntries(
    prefixes.flatMap((prefix) => Object.entries(login).map(([name, value]) => [`${prefix}${name}`, value] as const)),
  );
}
