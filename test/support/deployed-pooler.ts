import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../local/postgres/cluster.ts';
import { startChild } from '../../local/process/children.ts';
import { onCleanup } from '../../local/process/cleanup.ts';
import { freePort } from '../../local/process/free-port.ts';
import { runDirectory } from '../../local/process/run-directory.ts';
import { serverUid } from '../../local/process/server-user.ts';
import { canConnect } from './deployed-databases.ts';

const PROGRAM = '/usr/sbin/pgbouncer';

/** A pooler in transaction mode that keeps no passwords: it asks the database at each login, so it follows their rotation. */
export type Pooler = { readonly host: string; readonly port: number; readonly stop: () => Promise<void> };

/** `lookUp` is a role that the database lets in without a password and that may read those of others, as verifiers. */
export async function startPooler(cluster: Cluster, database: string, lookUp: string): Promise<Pooler> {
  const directory = mkdtempSync(join(runDirectory(), 'pooler-'));
  const [host, port] = ['127.0.0.1', await freePort()];
  const settings = [
    '[databases]',
    `* = host=${cluster.host} port=${cluster.port} auth_user=${lookUp}`,
    '[pgbouncer]',
    ...[`listen_addr = ${host}`, `listen_port = ${port}`, 'unix_socket_dir =', 'pool_mode = transaction'],
    ...['auth_type = scram-sha-256', `auth_file = ${join(directory, 'users')}`],
    'auth_query = select usename, passwd from pg_shadow where usename = $1',
    // A database that is away is told at once, and found soon.
    ...['default_pool_size = 4', 'server_login_retry = 0.2', 'server_connect_timeout = 2', 'query_wait_timeout = 5'],
  ];
  writeFileSync(join(directory, 'users'), `"${lookUp}" ""\n`);
  writeFileSync(join(directory, 'pgbouncer.ini'), `${settings.join('\n')}\n`);
  if (serverUid !== null) chownSync(directory, serverUid, serverUid);
  const child = startChild(PROGRAM, [join(directory, 'pgbouncer.ini')], 'ignore');
  const forget = onCleanup({ kill: () => void child.process.kill('SIGKILL') });
  const stop = async (): Promise<void> => {
    child.process.kill('SIGTERM');
    await child.exited;
    forget();
    rmSync(directory, { recursive: true, force: true });
  };
  while (!(await canConnect(`postgres://nobody@${host}:${port}/${database}`)))
    if (child.end !== null) throw new Error(`pgbouncer: ${child.end}`);
  return { host, port, stop };
}
