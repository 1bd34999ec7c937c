import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Sql } from '@concord/runtime';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { SOURCE, values } from '../users-table.ts';
import type { Contestant } from './contestant.ts';

const POLL_MS = 5;
const UPDATES_PER_MILLE = 700;

export type NativeOptions = {
  readonly name: string;
  /** The database on both clusters. */
  readonly database: string;
  readonly rows: number;
  readonly changes: number;
  /** Rows per transaction at the publisher, and so at the subscriber. */
  readonly transactionRows: number;
  /** Does the apply worker wait for each commit to reach the disk? PostgreSQL's default is that it does not. */
  readonly synchronousCommit: boolean;
};

/** PostgreSQL's own logical replication. Its queue is what the publisher wrote while the subscription was disabled. */
export async function createNative(
  publisher: Cluster,
  subscriber: Cluster,
  options: NativeOptions,
): Promise<Contestant> {
  const { name, database, changes } = options;
  const [source, target] = [publisher, subscriber].map((cluster) => connect({ url: cluster.url(database) })) as [
    Sql,
    Sql,
  ];
  // The key is enough to find a row; REPLICA IDENTITY FULL would make the publisher send each old row as well.
  await source.unsafe('drop publication concord');
  await source.unsafe('alter table users replica identity default');
  await source.unsafe('create publication bench for table users, marker');
  await target.unsafe(
    `create subscription ${database} connection '${publisher.url(database)}' publication bench
     with (copy_data = false, synchronous_commit = ${options.synchronousCommit ? 'on' : 'off'})`,
  );
  let marker = 0;
  return {
    name,
    database,
    async queue() {
      await target.unsafe(`alter subscription ${database} disable`);
      await until(async () => (await workers(target, database)) === 0);
      await writeChanges(source, options);
      return changes;
    },
    async apply() {
      await target.unsafe(`alter subscription ${database} enable`);
      marker += 2;
      await until(async () => (await markerOf(target)) >= marker - 1);
      const start = performance.now();
      await until(async () => (await markerOf(target)) >= marker);
      return (performance.now() - start) / 1000;
    },
    async close() {
      await target.unsafe(`drop subscription ${database}`);
      await Promise.all([source.end(), target.end()]);
    },
  };
}

/** The same mix as `SourceEvents`, between two marker rows. */
async function writeChanges(source: Sql, options: NativeOptions): Promise<void> {
  await source.unsafe('update marker set value = value + 1');
  await source.unsafe('set synchronous_commit = off');
  await source.unsafe('set session_replication_role = replica');
  await source.unsafe(options.transactionRows === 1 ? oneRowTransactions(options) : transactions(options));
  await source.unsafe('set session_replication_role = origin');
  await source.unsafe('set synchronous_commit = on');
  await source.unsafe('update marker set value = value + 1');
}

const STAMP = `clock_timestamp(), '${SOURCE}', txid_current(), jsonb_build_object('${SOURCE}', (extract(epoch from clock_timestamp()) * 1e6)::int8), true`;
const COLUMNS = 'tenant_id, email, name, status, qty, price, payload, active, note, born, created_at';
const STAMPS = '_version, _last_updated, _source_region, _tx_id, _version_vector, _local';

const update = (where: string): string =>
  `update users set (${COLUMNS}, ${STAMPS}) = (select ${values('users.id', 'k')}, _version + 1, ${STAMP}) where ${where};`;
const insert = (ids: string): string => `insert into users select i, ${values('i', 'k')}, 1, ${STAMP} from ${ids} i;`;

const transactions = ({ rows, changes, transactionRows }: NativeOptions): string => {
  const updates = Math.round((transactionRows * UPDATES_PER_MILLE) / 1000);
  return /* sql */ `do $$ declare next bigint := (select max(id) + 1 from users); begin
    for k in 1..${Math.ceil(changes / transactionRows)} loop
      ${update(`id = any(array(select 1 + floor(random() * ${rows})::bigint from generate_series(1, ${updates})))`)}
      ${insert(`generate_series(next, next + ${transactionRows - updates - 1})`)}
      next := next + ${transactionRows - updates};
      commit;
    end loop; end $$`;
};

const oneRowTransactions = ({ rows, changes }: NativeOptions): string => /* sql */ `
  do $$ declare next bigint := (select max(id) + 1 from users); row_id bigint; begin
    for k in 1..${changes} loop
      if random() * 1000 < ${UPDATES_PER_MILLE} then
        row_id := 1 + floor(random() * ${rows})::bigint;
        ${update('id = row_id')}
      else
        ${insert('(select next as i)')}
        next := next + 1;
      end if;
      commit;
    end loop; end $$`;

async function workers(target: Sql, database: string): Promise<number> {
  const rows = await target.unsafe('select from pg_stat_subscription where subname = $1::text and pid is not null', [
    database,
  ]);
  return rows.length;
}

async function markerOf(target: Sql): Promise<number> {
  const [row] = await target.unsafe<{ value: number }[]>('select value from marker');
  return row?.value ?? 0;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(POLL_MS);
}
