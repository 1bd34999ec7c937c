import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Cluster } from '../../local/postgres/cluster.ts';
import { startChild } from '../../local/process/children.ts';
import { onCleanup } from '../../local/process/cleanup.ts';
import { runDirectory } from '../../local/process/run-directory.ts';
import { serverUid } from '../../local/process/server-user.ts';

const PROGRAM = '/usr/sbin/pgbouncer';

/** Why a test through a pooler cannot run here, or false. On a build server it must. */
export const withoutPgbouncer = (): string | false =>
  existsSync(PROGRAM) || process.env.CI !== undefined ? false : 'pgbouncer is missing: apt-get install pgbouncer';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export type Pgbouncer = { readonly port: number; readonly stop: () => Promise<void> };

/** Starts pgbouncer in transaction mode in front of a cluster, with so many connections to each database. */
export async function startPgbouncer(cluster: Cluster, poolSize: number): Promise<Pgbouncer> {
  const directory = mkdtempSync(join(runDirectory(), 'pgbouncer-'));
  const port = await freePort();
  const settings = [
    '[databases]',
    `* = host=${cluster.host} port=${cluster.port}`,
    '[pgbouncer]',
    ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'pool_mode = transaction'],
    // Who waits for a server that is away hears of it soon.
    ...['query_wait_timeout = 2', 'server_login_retry = 1'],
    ...['auth_type = trust', `auth_file = ${join(directory, 'users')}`, `default_pool_size = ${poolSize}`],
  ];
  writeFileSync(join(directory, 'users'), '"concord_apply" ""\n');
  writeFileSync(join(directory, 'pgbouncer.ini'), `${settings.join('\n')}\n`);
  if (serverUid !== null) chownSync(directory, serverUid, serverUid);
  const child = startChild(PROGRAM, [join(directory, 'pgbouncer.ini')], 'ignore');
  const forget = onCleanup({ kill: () => child.process.kill('SIGKILL') });
  const stop = async (): Promise<void> => {
    child.process.kill('SIGTERM');
    await child.exited;
    forget();
    rmSync(directory, { recursive: true });
  };
  await answers(port, () => child.end);
  return { port, stop };
}

/** Two connections serve all: that many appliers at a time would be luck. */
const FEW = 2;

/**
 * Starts pgbouncer in transaction mode in front of a cluster, until the tests of this file or `describe` have ended; returns
 * the URL of a database through it. Call it before `useCluster`: the pooler stops before its server.
 */
export function usePgbouncer(): (cluster: Cluster) => Promise<(database: string, user: string) => string> {
  let stop = async (): Promise<void> => undefined;
  after(() => stop());
  return async (cluster) => {
    const pgbouncer = await startPgbouncer(cluster, FEW);
    stop = pgbouncer.stop;
    return (database, user) => `postgres://${user}@127.0.0.1:${pgbouncer.port}/${database}`;
  };
}

/** Waits until somebody listens; who may come in shows later, as roles may not be there yet. Throws when the pooler ended. */
async function answers(port: number, end: () => string | null): Promise<void> {
  for (;;) {
    const socket = connect({ host: '127.0.0.1', port });
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isThere) return;
    if (end() !== null) throw new Error(`pgbouncer: ${end()}`);
  }
}
