import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type Sql } from '@concord/runtime';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { runTool } from '../../../local/process/children.ts';
import { onCleanup } from '../../../local/process/cleanup.ts';
import { runDirectory } from '../../../local/process/run-directory.ts';
import { serverUser } from '../../../local/process/server-user.ts';
import { requireEqual } from '../apply/content.ts';
import type { Contestant } from '../apply/contestant.ts';
import { type Changes, markerOf, until, writeChanges } from '../apply/native.ts';
import { withDatabase } from '../users-table.ts';

const PROGRAM = '/usr/bin/bucardo';
/** The database of its own configuration, and its user. */
const OWN = 'bucardo';
const SYNC = 'bench';

export type BucardoOptions = {
  readonly name: string;
  /** The database with the plain table on both clusters. */
  readonly database: string;
  readonly changes: Changes;
};

/**
 * Bucardo from one database to the other. A run of its sync takes what changed since the run before, each key once, deletes
 * and copies these rows at the target, and commits once: the time is that from the kick to this commit.
 */
export async function createBucardo(
  publisher: Cluster,
  subscriber: Cluster,
  { name, database, changes }: BucardoOptions,
): Promise<Contestant> {
  const directory = makeDirectory();
  await install(publisher, directory);
  await configure(publisher, subscriber, database);
  const own = connect({ url: publisher.url(OWN, OWN) });
  const daemon = await startDaemon(publisher, directory);
  const [source, target] = [publisher, subscriber].map((cluster) => connect({ url: cluster.url(database) })) as [
    Sql,
    Sql,
  ];
  let marker = 0;
  return {
    name,
    database,
    async queue() {
      marker += 2;
      return writeChanges(source, changes, 'origin');
    },
    async apply() {
      const start = performance.now();
      await own.unsafe(`notify bucardo, 'kick_sync_${SYNC}'`);
      await until(async () => (await markerOf(target)) >= marker);
      const seconds = (performance.now() - start) / 1000;
      await requireEqual(name, source, target);
      return seconds;
    },
    async close() {
      daemon.end();
      await Promise.all([own.end(), source.end(), target.end()]);
    },
  };
}

function makeDirectory(): string {
  const directory = join(runDirectory(), 'bucardo');
  mkdirSync(directory);
  if (serverUser.uid !== undefined) chownSync(directory, serverUser.uid, serverUser.gid);
  return directory;
}

/** Its loops wait for a tenth of a second and more by default, which would count in short runs. */
const configOf = (directory: string): Readonly<Record<string, string>> => ({
  mcp_loop_sleep: '0.02',
  ctl_sleep: '0.02',
  kid_sleep: '0.02',
  kid_nodeltarows_sleep: '0.02',
  reason_file: join(directory, 'reason'),
  warning_file: join(directory, 'warning.log'),
  log_conflict_file: join(directory, 'conflict.log'),
});

async function install(cluster: Cluster, directory: string): Promise<void> {
  await withDatabase(cluster, 'postgres', (sql) => sql.unsafe(`create role ${OWN} superuser login`));
  await bucardo(cluster, { dbname: 'postgres', dbuser: 'postgres' }, [
    'install',
    '--batch',
    '--quiet',
    `--piddir=${directory}`,
  ]);
  await withDatabase(cluster, OWN, async (sql) => {
    for (const [setting, value] of Object.entries(configOf(directory)))
      await sql.unsafe('update bucardo.bucardo_config set setting = $2::text where name = $1::text', [setting, value]);
  });
}

async function configure(publisher: Cluster, subscriber: Cluster, database: string): Promise<void> {
  const own = { dbname: OWN, dbuser: OWN };
  const databaseOf = ({ host, port }: Cluster, as: string) => [
    ...['add', 'database', as, `dbname=${database}`, `host=${host}`, `port=${port}`, `user=${OWN}`],
  ];
  await withDatabase(subscriber, 'postgres', (sql) => sql.unsafe(`create role ${OWN} superuser login`));
  for (const command of [
    databaseOf(publisher, 'source'),
    databaseOf(subscriber, 'target'),
    ['add', 'table', 'public.users', 'public.marker', 'db=source', 'relgroup=bench'],
    ['add', 'sync', SYNC, 'relgroup=bench', 'dbs=source:source,target:target', 'autokick=0'],
  ])
    await bucardo(publisher, own, command);
}

const bucardo = (
  { host, port }: Cluster,
  { dbname, dbuser }: { dbname: string; dbuser: string },
  command: readonly string[],
): Promise<string> =>
  runTool(PROGRAM, [
    '--no-bucardorc',
    `--dbhost=${host}`,
    `--dbport=${port}`,
    `--dbname=${dbname}`,
    `--dbuser=${dbuser}`,
    ...command,
  ]);

type Daemon = { readonly end: () => void };

/** It leaves our process group for one of its own, which all its processes stay in. */
async function startDaemon(cluster: Cluster, directory: string): Promise<Daemon> {
  let group: number | undefined;
  const kill = (): void => {
    group ??= groupIn(directory);
    if (group === undefined) return;
    try {
      process.kill(-group, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const forget = onCleanup({ kill });
  await bucardo(cluster, { dbname: OWN, dbuser: OWN }, [
    'start',
    '--quiet',
    `--piddir=${directory}`,
    `--logdest=${directory}`,
  ]);
  // Written by the process that does the work, the last of four to come up.
  await until(async () => existsSync(join(directory, `bucardo.kid.sync.${SYNC}.pid`)));
  return {
    end: () => {
      kill();
      forget();
    },
  };
}

/** The process group of the running daemon, as its file and the system tell. */
function groupIn(directory: string): number | undefined {
  try {
    const pid = readFileSync(join(directory, 'bucardo.mcp.pid'), 'utf8').split('\n')[0];
    const stat = readFileSync(`/proc/${Number(pid)}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
  } catch {
    return undefined;
  }
}
