import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { onCleanup } from '../process/cleanup.ts';
import { nextPort } from '../process/ports.ts';
import { runDirectory } from '../process/run-directory.ts';
import { findBinaries, type PostgresVersion } from './binaries.ts';
import { copyDataDirectory, initDataDirectory, initTemplate } from './data-directory.ts';
import {
  killServer,
  type Server,
  type ServerSpec,
  type StopMode,
  startServer,
  stopServer,
  stopServersNow,
} from './server.ts';
import type { Settings } from './settings.ts';

const HOST = '127.0.0.1';
/** Ports in a row that may belong to others before the machine itself is to blame. */
const PORT_ATTEMPTS = 50;

export interface ClusterOptions {
  /** Default 18. */
  readonly version?: PostgresVersion;
  /** Names the data directory and the log: lower-case letters, digits, `-` and `_`. Default `cluster-1`, `cluster-2`, … */
  readonly name?: string;
  /**
   * A data directory to copy, of the same version and not in use. Default: one that is initialised once per version and
   * process. Null initialises in place, which is quicker for the only cluster of its version.
   */
  readonly template?: string | null;
  /** Override the defaults: `{ fsync: 'on' }` for measurements, `{ shared_buffers: '1GB' }`. */
  readonly settings?: Settings;
  /**
   * The folder of a `postgres` of the same major version to run in place of npm's: a distribution's, which finds the
   * extensions of that distribution.
   */
  readonly binDirectory?: string | undefined;
}

/** One PostgreSQL cluster on this machine. Port and data directory stay the same over stop, kill and restart. */
export interface Cluster {
  readonly name: string;
  readonly version: PostgresVersion;
  readonly host: string;
  readonly port: number;
  /** The postmaster's process id, of the latest start. */
  readonly pid: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** A connection URL; no password is needed. */
  url(database?: string, user?: string): string;
  isRunning(): boolean;
  /** Stops the server, by default `fast` (after 10 s immediately); the data stays. */
  stop(options?: { readonly mode?: StopMode }): Promise<void>;
  /** Stops the server if it runs, and starts it on the same port. */
  restart(options?: { readonly mode?: StopMode }): Promise<void>;
  /** SIGKILL to postmaster and backends, as in a crash; `restart` recovers. */
  kill(): Promise<void>;
  /** Stops the server and deletes its data and log. */
  remove(): Promise<void>;
}

const running = new Set<Server>();
let clusterCount = 0;
let isRegistered = false;

/**
 * Starts a PostgreSQL cluster in this process's run directory, on 127.0.0.1 and a free port; resolves when it answers a
 * query. It is stopped and deleted when this process ends.
 *
 * @throws Error with the end of the server's log when it does not start
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { version = '18', name = `cluster-${++clusterCount}`, settings = {}, binDirectory } = options;
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(name))
    throw new Error(`"${name}" cannot be a cluster's name: use a-z, 0-9, - and _`);
  const dataDir = join(runDirectory(), name);
  await makeDataDirectory(version, dataDir, options.template);
  const logFile = `${dataDir}.log`;
  const binaries = { ...findBinaries(version), ...(binDirectory && { postgres: join(binDirectory, 'postgres') }) };
  const server = await startOnFreePort({ binaries, dataDir, logFile, settings });
  return clusterOf(name, version, server);
}

async function makeDataDirectory(version: PostgresVersion, dataDir: string, template: string | null | undefined) {
  if (template === null) await initDataDirectory(version, dataDir);
  else copyDataDirectory(template ?? (await initTemplate(version)), dataDir);
}

async function startOnFreePort(spec: Omit<ServerSpec, 'port'>): Promise<Server> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const result = await startAnswering({ ...spec, port: nextPort() });
    if (result !== 'port_taken') return result;
  }
  throw new Error(`no free port after ${PORT_ATTEMPTS} attempts`);
}

async function startAnswering(spec: ServerSpec): Promise<Server | 'port_taken'> {
  const result = await startServer(spec, register);
  if (result.kind === 'port_taken') return 'port_taken';
  const sql = postgres({
    host: HOST,
    port: spec.port,
    user: 'postgres',
    database: 'postgres',
    max: 1,
    fetch_types: false,
  });
  try {
    await sql`select 1`;
  } catch (error) {
    await stopServer(result.server, 'immediate');
    throw error;
  } finally {
    await sql.end();
  }
  return result.server;
}

function register(server: Server): void {
  if (!isRegistered) onCleanup({ kill: () => stopServersNow(running) });
  isRegistered = true;
  running.add(server);
  void server.child.exited.then(() => running.delete(server));
}

function clusterOf(name: string, version: PostgresVersion, first: Server): Cluster {
  const { port, dataDir, logFile } = first.spec;
  let server = first;
  return {
    name,
    version,
    host: HOST,
    port,
    dataDir,
    logFile,
    get pid() {
      return server.pid;
    },
    url: (database = 'postgres', user = 'postgres') =>
      `postgres://${encodeURIComponent(user)}@${HOST}:${port}/${encodeURIComponent(database)}`,
    isRunning: () => server.child.end === null,
    stop: ({ mode = 'fast' } = {}) => stopServer(server, mode),
    kill: () => killServer(server),
    async restart({ mode = 'fast' } = {}) {
      await stopServer(server, mode);
      const result = await startAnswering(server.spec);
      if (result === 'port_taken') throw new Error(`port ${port} of cluster ${name} was taken while it was stopped`);
      server = result;
    },
    async remove() {
      await stopServer(server, 'immediate');
      await Promise.all([dataDir, logFile].map((path) => rm(path, { recursive: true, force: true })));
    },
  };
}
