import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onCleanup } from '../process/cleanup.ts';
import { freePort } from '../process/free-port.ts';
import { runningPid } from '../process/pid-file.ts';
import { runDirectory } from '../process/run-directory.ts';
import { makeRuntimeModules } from './runtime-modules.ts';
import { killServer, logOf, residentBytesOf, startServer } from './server-process.ts';
import { environmentFor } from './settings.ts';
import type { LocalStackSoftware } from './software.ts';

/** AWS on this machine: one process that serves all regions, and one Node process for each execution environment of a function. */
export type LocalStack = {
  /** http://127.0.0.1:port, for every service. */
  readonly endpoint: string;
  readonly directory: string;
  /** What the constructor of an AWS client is given. */
  readonly clientConfig: (region: string) => ClientConfig;
  /** The variables that a child such as `cdk` needs, to be laid over its environment. */
  readonly env: (region?: string) => Readonly<Record<string, string>>;
  /** All that it has logged. */
  readonly log: () => Promise<string>;
  readonly pid: () => number | null;
  /** Without the functions; undefined where the system does not tell. */
  readonly residentBytes: () => number | undefined;
  /** Ends it and its functions and deletes its state. */
  readonly stop: () => Promise<void>;
};

export type ClientConfig = {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
};

export type LocalStackOptions = {
  readonly software: LocalStackSoftware;
  readonly onProgress?: (line: string) => void;
};

/** What another process needs to go on with a LocalStack. */
type State = { readonly endpoint: string };

/** Of all that LocalStack makes. */
export const ACCOUNT = '000000000000';
const STATE = 'localstack.json';
const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
const PLUGIN = fileURLToPath(new URL('plugin', import.meta.url));
const FUNCTION_PROCESS = fileURLToPath(new URL('../mapping/function-process.ts', import.meta.url));
let count = 0;

/** Starts LocalStack in this process's run directory; it ends with this process at the latest. */
export async function startLocalStack({ software, onProgress }: LocalStackOptions): Promise<LocalStack> {
  const directory = join(runDirectory(), `localstack-${++count}`);
  const runtimeModules = join(directory, 'runtime');
  for (const path of [directory, join(directory, 'tmp')]) mkdirSync(path);
  // Functions run as another user when this process is root.
  chmodSync(join(directory, 'tmp'), 0o1777);
  makeRuntimeModules(runtimeModules);
  const forget = onCleanup({ kill: () => killServer(directory) });
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  writeFileSync(join(directory, STATE), JSON.stringify({ endpoint } satisfies State));
  const place = {
    ...{ directory, port, plugin: PLUGIN, node: process.execPath },
    ...{ functionProcess: FUNCTION_PROCESS, runtimeModules },
  };
  onProgress?.('starting LocalStack');
  await startServer({ python: software.python, directory, environment: environmentFor(place) }, () =>
    answers(endpoint),
  );
  const localStack = attachLocalStack(directory);
  return {
    ...localStack,
    stop: async () => {
      await localStack.stop();
      forget();
    },
  };
}

/** The LocalStack that another process started in `directory`: it stays that process's to end. */
export function attachLocalStack(directory: string): LocalStack {
  const { endpoint }: State = JSON.parse(readFileSync(join(directory, STATE), 'utf8'));
  return {
    endpoint,
    directory,
    clientConfig: (region) => ({ endpoint, region, credentials: CREDENTIALS }),
    env: (region = 'us-east-1') => environmentOfClients(endpoint, region),
    log: () => logOf(directory),
    pid: () => runningPid(directory),
    residentBytes: () => residentBytesOf(directory),
    stop: async () => {
      killServer(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** S3 by name as well, or clients would put the bucket in front of the host. */
const environmentOfClients = (endpoint: string, region: string): Record<string, string> => ({
  AWS_ENDPOINT_URL: endpoint,
  AWS_ENDPOINT_URL_S3: endpoint,
  AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
  AWS_REGION: region,
  AWS_DEFAULT_REGION: region,
  AWS_EC2_METADATA_DISABLED: 'true',
  CDK_DISABLE_VERSION_CHECK: '1',
  CDK_DEFAULT_ACCOUNT: ACCOUNT,
  CDK_DEFAULT_REGION: region,
});

async function answers(endpoint: string): Promise<boolean> {
  try {
    const { ok } = await fetch(`${endpoint}/_localstack/health`, { signal: AbortSignal.timeout(2000) });
    return ok;
  } catch {
    return false;
  }
}
