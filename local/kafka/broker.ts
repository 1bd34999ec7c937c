import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onCleanup } from '../process/cleanup.ts';
import { freePort } from '../process/free-port.ts';
import { runningPid } from '../process/pid-file.ts';
import { runDirectory } from '../process/run-directory.ts';
import { brokerProperties, type Ports } from './broker-properties.ts';
import { certificateIn } from './certificate.ts';
import { type Account, kafkaClient } from './client.ts';
import { type Compiler, endJava, type JavaProgram, killJava, residentBytesOf, startJava } from './java.ts';
import type { KafkaSoftware } from './software.ts';
import { runStorageTool } from './storage-tool.ts';

export type { Account } from './client.ts';

/** One Kafka broker on this machine; ports and data stay the same over kill and start. */
export type Broker = {
  /** The plain listener, on which everybody may do everything. */
  readonly bootstrap: string;
  /** The listener with TLS and SCRAM-SHA-512, on which only `admin` may do what no ACL allows. */
  readonly secure: {
    readonly bootstrap: string;
    readonly caFile: string;
    readonly caPem: string;
    readonly admin: Account;
  };
  readonly directory: string;
  readonly pid: () => number | null;
  readonly residentBytes: () => number | undefined;
  /** Resolves when the process is gone. */
  readonly kill: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>;
  /** Starts it again after `kill`. */
  readonly start: () => Promise<void>;
  /** Ends it and deletes its data. */
  readonly stop: () => Promise<void>;
};

export type BrokerOptions = {
  readonly software: KafkaSoftware;
  /** Accounts beside `admin`, without any rights until an ACL gives them some. */
  readonly accounts?: readonly Account[];
  /** Default `quick`. */
  readonly compiler?: Compiler;
};

/** What another process needs to go on with a broker. */
type State = {
  readonly software: KafkaSoftware;
  readonly ports: Ports;
  readonly admin: Account;
  readonly compiler: Compiler;
};

const STATE = 'broker.json';
const MAX_HEAP_MB = 192;
let count = 0;

/** Starts a broker in this process's run directory; it ends with this process at the latest. */
export async function startBroker({ software, accounts = [], compiler = 'quick' }: BrokerOptions): Promise<Broker> {
  const directory = join(runDirectory(), `kafka-${++count}`);
  mkdirSync(directory);
  chmodSync(directory, 0o700);
  const forget = onCleanup({ kill: () => killJava(directory) });
  const ports = { plain: await freePort(), secure: await freePort(), controller: await freePort() };
  const admin = { name: 'admin', password: randomBytes(18).toString('base64url') };
  const certificate = await certificateIn(directory);
  writeFileSync(join(directory, 'server.properties'), brokerProperties({ directory, ports, admin, certificate }));
  await runStorageTool(software, directory, [admin, ...accounts]);
  writeFileSync(join(directory, STATE), JSON.stringify({ software, ports, admin, compiler } satisfies State), {
    mode: 0o600,
  });
  const broker = attachBroker(directory);
  await broker.start();
  return {
    ...broker,
    stop: async () => {
      await broker.stop();
      forget();
    },
  };
}

/** The broker that another process started in `directory`: it stays that process's to end. */
export function attachBroker(directory: string): Broker {
  const { software, ports, admin, compiler }: State = JSON.parse(readFileSync(join(directory, STATE), 'utf8'));
  const caFile = join(directory, 'ca.pem');
  const bootstrap = `127.0.0.1:${ports.plain}`;
  const program: JavaProgram = {
    java: software.java,
    classPath: software.classPath,
    directory,
    mainClass: 'kafka.Kafka',
    args: [join(directory, 'server.properties')],
    maxHeapMb: MAX_HEAP_MB,
    compiler,
  };
  return {
    bootstrap,
    secure: { bootstrap: `localhost:${ports.secure}`, caFile, caPem: readFileSync(caFile, 'utf8'), admin },
    directory,
    pid: () => runningPid(directory),
    residentBytes: () => residentBytesOf(directory),
    kill: (signal) => endJava(directory, signal),
    start: () => startJava(program, () => answers(bootstrap)),
    stop: async () => {
      await endJava(directory, 'SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Whether the broker tells its topics: a listener alone is there before the broker is ready. */
async function answers(bootstrap: string): Promise<boolean> {
  const admin = kafkaClient({ bootstrap, retries: 0 }).admin();
  try {
    await admin.connect();
    await admin.listTopics();
    return true;
  } catch {
    return false;
  } finally {
    await admin.disconnect();
  }
}
