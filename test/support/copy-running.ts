import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../local/postgres/cluster.ts';
import { startCluster } from '../../local/postgres/cluster.ts';
import { runDirectory } from '../../local/process/run-directory.ts';
import { openConnection } from '../../local/region/connection.ts';
import { SETTINGS } from '../../local/region/settings.ts';
import type { Region } from '../../local/region.ts';

/** A base backup, as `pg_basebackup` takes it: the state of the cluster at some moment, without its replication slots. */
export type Backup = {
  /** Starts the copy as the region's database, on another port. */
  readonly restore: () => Promise<Region>;
};

/** Files come and go while they are copied: the log that is replayed over them mends that. */
const copy = (from: string, to: string): void => void spawnSync('cp', ['-a', from, to]);

/** Copies the data directory of a region's cluster while it runs. */
export async function backUp({ name, cluster, url }: Region): Promise<Backup> {
  const dataDir = join(runDirectory(), `${cluster.name}-backup`);
  const sql = openConnection(cluster.url());
  await sql`select pg_backup_start('backup', true)`;
  copy(cluster.dataDir, dataDir);
  const [stopped] = await sql<{ label: string }[]>`select labelfile as label from pg_backup_stop(false)`;
  copy(`${join(cluster.dataDir, 'pg_wal')}/.`, join(dataDir, 'pg_wal'));
  await sql.end({ timeout: 1 });
  for (const file of ['postmaster.pid', 'postmaster.opts']) rmSync(join(dataDir, file), { force: true });
  const slots = join(dataDir, 'pg_replslot');
  for (const slot of readdirSync(slots)) rmSync(join(slots, slot), { recursive: true });
  writeFileSync(join(dataDir, 'backup_label'), stopped?.label ?? '');
  const database = decodeURIComponent(new URL(url()).pathname.slice(1));
  return {
    restore: async () => {
      const copied = await startAs(`${cluster.name}-restored`, cluster, dataDir);
      rmSync(dataDir, { recursive: true });
      return { name, cluster: copied, url: (user) => copied.url(database, user) };
    },
  };
}

const startAs = (name: string, { version }: Cluster, template: string): Promise<Cluster> =>
  startCluster({ version, name, template, settings: SETTINGS });
