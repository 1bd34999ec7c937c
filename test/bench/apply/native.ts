import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Sql } from '@concord/runtime';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { requireEqual } from './content.ts';
import type { Contestant, Workers } from './contestant.ts';
import { type Changes, changesSql, WRITTEN } from './mix.ts';

export type { Changes } from './mix.ts';

const POLL_MS = 3;

/** Rows per transaction at the publisher are those at the subscriber. */
export type NativeOptions = Changes & {
  readonly name: string;
  /** The database on both clusters. */
  readonly database: string;
  /** Does the apply worker wait for each commit to reach the disk? PostgreSQL's default is that it does not. */
  readonly synchronousCommit: boolean;
  /** Are the values sent in their binary form? PostgreSQL's default is as text. */
  readonly binary: boolean;
  /** So many subscriptions, each to the rows of which `id` modulo their number is the same. Default 1. */
  readonly partitions?: 1 | 2;
};

/** PostgreSQL's own logical replication. Its queue is what the publisher wrote while the subscriptions were disabled. */
export async function createNative(
  publisher: Cluster,
  subscriber: Cluster,
  options: NativeOptions,
): Promise<Contestant> {
  const { name, database, partitions = 1 } = options;
  const [source, target] = [publisher, subscriber].map((cluster) => connect({ url: cluster.url(database) })) as [
    Sql,
    Sql,
  ];
  // The key is enough to find a row; REPLICA IDENTITY FULL would make the publisher send each old row as well.
  await source.unsafe('drop publication concord');
  await source.unsafe('alter table users replica identity default');
  const subscriptions = Array.from({ length: partitions }, (_, index) => `${database}_${index + 1}`);
  for (const [index, subscription] of subscriptions.entries()) {
    const [rows, marker] =
      partitions === 1 ? ['', ''] : [`where (id % ${partitions} = ${index})`, `where (id = ${index + 1})`];
    await source.unsafe(`create publication ${subscription} for table users ${rows}, marker ${marker}`);
    await target.unsafe(
      `create subscription ${subscription} connection '${publisher.url(database)}' publication ${subscription}
       with (enabled = false, copy_data = false, binary = ${options.binary},
         synchronous_commit = ${options.synchronousCommit ? 'on' : 'off'})`,
    );
  }
  const subscribe = (what: 'enable' | 'disable') =>
    target.begin(async (tx) => {
      for (const subscription of subscriptions) await tx.unsafe(`alter subscription ${subscription} ${what}`);
    });
  let marker = 0;
  return {
    name,
    database,
    queue: () => writeChanges(source, options),
    async apply(meter) {
      marker += 2;
      await subscribe('enable');
      let workers: Workers = { target: [], source: [] };
      await until(async () => {
        workers = await allWorkers(source, target, subscriptions);
        return workers.target.length === partitions && workers.source.length === partitions;
      });
      await markersReach(target, `bool_or(value >= ${marker - 1})`, partitions);
      meter.begin(workers);
      const start = performance.now();
      await markersReach(target, `bool_and(value >= ${marker})`, partitions);
      const seconds = (performance.now() - start) / 1000;
      meter.end();
      // What the others write is no business of its senders.
      await subscribe('disable');
      await until(async () => (await workersOf(target, subscriptions)).length === 0);
      return seconds;
    },
    async close() {
      await requireEqual(name, source, target);
      for (const subscription of subscriptions) await target.unsafe(`drop subscription ${subscription}`);
      await Promise.all([source.end(), target.end()]);
    },
  };
}

/**
 * The same mix as `sourceEvents`, between two marker rows. Ordinary triggers fire for `origin` only. Returns how many rows
 * it has changed.
 */
export async function writeChanges(
  source: Sql,
  options: Changes,
  role: 'origin' | 'replica' = 'replica',
): Promise<number> {
  await source.unsafe('update marker set value = value + 1');
  await source.unsafe('set synchronous_commit = off');
  await source.unsafe(`set session_replication_role = ${role}`);
  await source.unsafe(changesSql(options));
  await source.unsafe('set session_replication_role = origin');
  await source.unsafe('set synchronous_commit = on');
  await source.unsafe('update marker set value = value + 1');
  const [row] = await source.unsafe<{ written: number }[]>(`select current_setting('${WRITTEN}')::int as written`);
  return row?.written ?? 0;
}

const pidsOf = (rows: readonly { pid: number }[]): number[] => rows.map(({ pid }) => pid);
const listed = (names: readonly string[]): string => names.map((name) => `'${name}'`).join();

const workersOf = async (target: Sql, subscriptions: readonly string[]): Promise<number[]> =>
  pidsOf(
    await target.unsafe(
      `select pid from pg_stat_subscription where subname in (${listed(subscriptions)}) and pid is not null`,
    ),
  );

async function allWorkers(source: Sql, target: Sql, subscriptions: readonly string[]): Promise<Workers> {
  const senders = source.unsafe<{ pid: number }[]>(
    `select pid from pg_stat_replication where application_name in (${listed(subscriptions)})`,
  );
  return { target: await workersOf(target, subscriptions), source: pidsOf(await senders) };
}

/** Waits in the server: asking again and again from here would take a share of the CPU from what is measured. */
const markersReach = (target: Sql, condition: string, partitions: number): Promise<unknown> =>
  target.unsafe(`do $$ begin
    while not (select ${condition} from marker where id <= ${partitions}) loop perform pg_sleep(${POLL_MS} / 1000.0); end loop;
  end $$`);

/** How often the publisher has written its markers, as far as applied. */
export async function markerOf(target: Sql): Promise<number> {
  const [row] = await target.unsafe<{ value: number }[]>('select min(value) as value from marker');
  return row?.value ?? 0;
}

export async function until(condition: () => Promise<boolean>, pollMs = POLL_MS): Promise<void> {
  while (!(await condition())) await delay(pollMs);
}
