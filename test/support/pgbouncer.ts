import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after } from 'node:test';
import postgres from 'postgres';
import type { Cluster } from '../../local/postgres/cluster.ts';
import { startChild } from '../../local/process/children.ts';
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

/**
 * Starts pgbouncer in transaction mode in front of a cluster, until the tests of this file or `describe` have ended; returns
 * the URL of a database through it. Call it before `useCluster`: the pooler stops before its server.
 */
export function usePgbouncer(): (cluster: Cluster) => Promise<(database: string, user: string) => string> {
  let stop = async (): Promise<void> => undefined;
  after(() => stop());
  return async (cluster) => {
    const directory = mkdtempSync(join(runDirectory(), 'pgbouncer-'));
    const port = await freePort();
    const settings = [
      '[databases]',
      `* = host=${cluster.host} port=${cluster.port}`,
      '[pgbouncer]',
      ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'pool_mode = transaction'],
      ...['auth_type = trust', `auth_file = ${join(directory, 'users')}`, 'default_pool_size = 2'],
    ];
    writeFileSync(join(directory, 'users'), '"concord_apply" ""\n');
    writeFileSync(join(directory, 'pgbouncer.ini'), `${settings.join('\n')}\n`);
    if (serverUid !== null) chownSync(directory, serverUid, serverUid);
    const child = startChild(PROGRAM, [join(directory, 'pgbouncer.ini')], 'ignore');
    stop = async () => {
      child.process.kill('SIGTERM');
      await child.exited;
      rmSync(directory, { recursive: true });
    };
    const url = (database: string, user: string): string => `postgres://${user}@127.0.0.1:${port}/${database}`;
    await answers(url('postgres', 'concord_apply'), () => child.end);
    return url;
  };
}

/** Waits until the pooler lets somebody through. Throws when it ended. */
async function answers(url: string, end: () => string | null): Promise<void> {
  for (;;) {
    const sql = postgres(url, { max: 1, fetch_types: false, prepare: false, connect_timeout: 1 });
    const error = await sql`select 1`.then(
      () => undefined,
      (reason: { code?: string }) => reason,
    );
    await sql.end({ timeout: 1 });
    if (error === undefined) return;
    if (error.code !== 'ECONNREFUSED' || end() !== null) throw new Error(`pgbouncer: ${end()}`, { cause: error });
  }
}
