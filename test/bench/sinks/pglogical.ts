import { connect, type Sql } from '@concord/runtime';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { requireEqual } from '../apply/content.ts';
import type { Contestant } from '../apply/contestant.ts';
import { type Changes, markerOf, until, writeChanges } from '../apply/native.ts';

/** Settings of a server that runs it. By default it does not wait for its commits to reach the disk. */
export const PGLOGICAL_SETTINGS = {
  shared_preload_libraries: 'pglogical',
  max_worker_processes: 16,
  'pglogical.synchronous_commit': 'on',
};

const SUBSCRIPTION = 'bench';

export type PglogicalOptions = {
  readonly name: string;
  /** The database with the plain table on both clusters. */
  readonly database: string;
  readonly changes: Changes;
  /**
   * `error` stops at the first conflict, and only then pglogical inserts many rows of a transaction at once; its default
   * compares each row with what is there.
   */
  readonly conflictResolution: 'apply_remote' | 'error';
};

/** pglogical from one database to the other. */
export async function createPglogical(
  publisher: Cluster,
  subscriber: Cluster,
  { name, database, changes, conflictResolution }: PglogicalOptions,
): Promise<Contestant> {
  const [source, target] = [publisher, subscriber].map((cluster) => connect({ url: cluster.url(database) })) as [
    Sql,
    Sql,
  ];
  await target.unsafe(`alter database ${database} set pglogical.conflict_resolution = '${conflictResolution}'`);
  await install(source, publisher, database);
  await source.unsafe(`select pglogical.replication_set_add_table('default', 'users'),
    pglogical.replication_set_add_table('default', 'marker')`);
  await install(target, subscriber, database);
  await target.unsafe(`select pglogical.create_subscription('${SUBSCRIPTION}', '${addressOf(publisher, database)}',
    array['default'], synchronize_structure := false, synchronize_data := false)`);
  await until(async () => (await statusOf(target)) === 'replicating');
  let marker = 0;
  return {
    name,
    database,
    async queue() {
      await target.unsafe(`select pglogical.alter_subscription_disable('${SUBSCRIPTION}', true)`);
      await until(async () => (await applyWorkers(target)) === 0);
      return writeChanges(source, changes);
    },
    async apply() {
      await target.unsafe(`select pglogical.alter_subscription_enable('${SUBSCRIPTION}', true)`);
      marker += 2;
      await until(async () => (await markerOf(target)) >= marker - 1);
      const start = performance.now();
      await until(async () => (await markerOf(target)) >= marker);
      const seconds = (performance.now() - start) / 1000;
      await requireEqual(name, source, target);
      return seconds;
    },
    async close() {
      await target.unsafe(`select pglogical.drop_subscription('${SUBSCRIPTION}')`);
      await Promise.all([source.end(), target.end()]);
    },
  };
}

async function install(sql: Sql, cluster: Cluster, database: string): Promise<void> {
  await sql.unsafe('create extension pglogical');
  await sql.unsafe(`select pglogical.create_node('${cluster.name}', '${addressOf(cluster, database)}')`);
}

const addressOf = ({ host, port }: Cluster, database: string): string =>
  `host=${host} port=${port} dbname=${database} user=postgres`;

async function statusOf(target: Sql): Promise<string | undefined> {
  const [row] = await target.unsafe<{ status: string }[]>(
    `select status from pglogical.show_subscription_status('${SUBSCRIPTION}')`,
  );
  return row?.status;
}

async function applyWorkers(target: Sql): Promise<number> {
  const rows = await target.unsafe(
    `select from pg_stat_activity where datname = current_database() and backend_type like 'pglogical apply%'`,
  );
  return rows.length;
}
