import { connect, type Sql, send } from '@concord/runtime';
import { type Cluster, startCluster } from '../../../local/postgres/cluster.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded, type Spread } from '../spread.ts';
import { takeTurns } from '../turns.ts';
import { createFilled, createTable, firstStamp, values, withDatabase } from '../users-table.ts';

const DATABASE = 'writes';
/** One client waits for the disk most of the time; eight share its commits and keep both cores busy. */
const CLIENTS = [1, 8] as const;
const KINDS = ['insert', 'update'] as const;
const TABLES = ['plain', 'enrolled'] as const;
const RUN_MS = 1000;

type Kind = (typeof KINDS)[number];
type Table = (typeof TABLES)[number];
type Run = { readonly kind: Kind; readonly clients: number; readonly table: Table };

const nameOf = ({ kind, clients, table }: Run): string =>
  `${table}${kind === 'insert' ? 'Inserts' : 'Updates'}${clients}`;

/** One-row transactions of clients that wait for their commit, on a plain and on an enrolled table of the same columns. */
export async function benchWrites({ rows, seconds, say }: Part): Promise<Record<string, number>> {
  const cluster = await startCluster({
    name: 'writes',
    settings: { fsync: 'on', autovacuum: 'off', shared_buffers: '1GB' },
  });
  await createFilled(cluster, DATABASE, rows, firstStamp());
  await withDatabase(cluster, DATABASE, async (sql) => {
    await sql.unsafe(createTable('plain'));
    await sql.unsafe(`insert into plain select i, ${values('i', '0')} from generate_series(1::bigint, $1::int) i`, [
      rows,
    ]);
    await sql.unsafe('vacuum (analyze, freeze) plain');
  });
  const runs: Run[] = KINDS.flatMap((kind) =>
    CLIENTS.flatMap((clients) => TABLES.map((table) => ({ kind, clients, table }))),
  );
  const spread = await takeTurns(runs, seconds, (run) => transactionsPerSecond(cluster, run, rows));
  return report(runs, spread, say);
}

async function transactionsPerSecond(cluster: Cluster, run: Run, rows: number): Promise<number> {
  const table = run.table === 'plain' ? 'plain' : 'users';
  const firstFree = await withDatabase(cluster, DATABASE, async (sql) => {
    await sql.unsafe(`vacuum ${table}`);
    await sql.unsafe('checkpoint');
    const [row] = await sql.unsafe<{ id: string }[]>(`select max(id) + 1 as id from ${table}`);
    return Number(row?.id);
  });
  let next = firstFree;
  const id = run.kind === 'insert' ? () => next++ : () => 1 + Math.floor(Math.random() * rows);
  const clients = Array.from({ length: run.clients }, () => connect({ url: cluster.url(DATABASE), prepare: true }));
  const statement = statementOf(run.kind, table);
  await Promise.all(clients.map((sql) => send(sql, statement, [id()])));
  const start = performance.now();
  const counts = await Promise.all(clients.map((sql) => untilEnd(sql, statement, id, start + RUN_MS)));
  const elapsed = (performance.now() - start) / 1000;
  await Promise.all(clients.map((sql) => sql.end()));
  return counts.reduce((sum, count) => sum + count, 0) / elapsed;
}

const statementOf = (kind: Kind, table: string): string =>
  kind === 'insert'
    ? `insert into ${table} select i, ${values('i', '1')} from (select $1::bigint as i) i`
    : `update ${table} set name = 'Name ' || md5(clock_timestamp()::text), qty = qty + 1 where id = $1::bigint`;

async function untilEnd(sql: Sql, statement: string, id: () => number, end: number): Promise<number> {
  let count = 0;
  for (; performance.now() < end; count++) await send(sql, statement, [id()]);
  return count;
}

function report(runs: readonly Run[], spread: (run: Run) => Spread, say: Part['say']): Record<string, number> {
  const plainOf = ({ kind, clients }: Run): Run =>
    runs.find((other) => other.kind === kind && other.clients === clients && other.table === 'plain') as Run;
  const ratio = (run: Run): number => rounded(spread(run).median / spread(plainOf(run)).median);
  const lines = runs.map((run) => {
    const { min, median, max } = spread(run);
    const name = `${run.kind}, ${run.clients} client${run.clients === 1 ? '' : 's'}, ${run.table}`;
    return [name, ...[min, median, max].map(Math.round), ratio(run)];
  });
  say(markdownTable(['one-row transactions per second', 'min', 'median', 'max', 'of plain'], lines));
  const enrolled = runs.filter(({ table }) => table === 'enrolled');
  return Object.fromEntries([
    ...runs.map((run) => [nameOf(run), Math.round(spread(run).median)] as const),
    ...enrolled.map((run) => [nameOf(run).replace('enrolled', 'ratio'), ratio(run)] as const),
  ]);
}
