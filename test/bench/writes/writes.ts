import { connect } from '@concord/runtime';
import { type Cluster, startCluster } from '../../../local/postgres/cluster.ts';
import { DURABLE } from '../durable.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded } from '../spread.ts';
import { withDatabase } from '../users-table.ts';
import { benchBulk, capital } from './bulk.ts';
import { syncUs } from './disk.ts';
import { type Client, type Pair, type Pairs, pair, summarised } from './slices.ts';
import { createTables, ENROLLED, PLAIN } from './tables.ts';
import { type Application, applicationOf, KINDS, type Kind } from './transactions.ts';

const DATABASE = 'writes';
/** One client waits for the disk most of the time; eight share its commits and keep all cores busy. */
const CLIENTS = [1, 8] as const;
/** Rounds after one that warms up, whatever the time. */
const MIN_PAIRS = 4;

type Run = { readonly kind: Kind; readonly clients: number };
const RUNS: readonly Run[] = CLIENTS.flatMap((clients) => KINDS.map((kind) => ({ kind, clients })));

const nameOf = ({ kind, clients }: Run): string => `${capital(kind)}${clients}`;

/**
 * What an enrolled table costs the application: one-row transactions of clients that wait for their commit on disk, on plain and on
 * enrolled tables of the same columns, by the same connections, each side for 60 ms at a time. Then bulk statements, by policy.
 */
export async function benchWrites({ rows, seconds, say }: Part): Promise<Record<string, number>> {
  const cluster = await startCluster({
    name: 'writes',
    settings: { ...DURABLE, autovacuum: 'off', shared_buffers: '1GB' },
  });
  try {
    const disk = syncUs(cluster.dataDir);
    const us = [disk.min, disk.median, disk.max].map(Math.round);
    say(`a block of 8 kB reaches the disk in ${us.join(' / ')} µs (min / median / max)`);
    await withDatabase(cluster, 'postgres', (sql) => sql.unsafe(`create database ${DATABASE}`));
    await withDatabase(cluster, DATABASE, (sql) => createTables(sql, rows));
    const figures = await benchTransactions(cluster, rows, seconds, say);
    const bulk = await withDatabase(cluster, DATABASE, (sql) => benchBulk(sql, 1e9, say));
    return { syncUs: Math.round(disk.median), ...figures, ...bulk };
  } finally {
    await cluster.remove();
  }
}

async function benchTransactions(
  cluster: Cluster,
  rows: number,
  seconds: number,
  say: Part['say'],
): Promise<Record<string, number>> {
  const [plain, enrolled] = [applicationOf(PLAIN, rows), applicationOf(ENROLLED, rows)];
  const clients = await connectAll(cluster, Math.max(...CLIENTS));
  try {
    const pairs = await measureAll(clients, plain, enrolled, seconds);
    for (const application of [plain, enrolled]) await withDatabase(cluster, DATABASE, (sql) => application.check(sql));
    return report((run) => summarised(pairs.get(run) ?? []), say);
  } finally {
    await Promise.all(clients.map(({ sql }) => sql.end()));
  }
}

async function connectAll(cluster: Cluster, count: number): Promise<Client[]> {
  const connections = Array.from({ length: count }, () => connect({ url: cluster.url(DATABASE), prepare: true }));
  return Promise.all(
    connections.map(async (sql) => {
      const [row] = await sql.unsafe<{ pid: number }[]>('select pg_backend_pid() as pid');
      if (row === undefined) throw new Error('a backend has no process id');
      return { sql, pid: row.pid };
    }),
  );
}

/** A pair of each kind in turns, until the time is up; the first of each warms up. */
async function measureAll(
  clients: readonly Client[],
  plain: Application,
  enrolled: Application,
  seconds: number,
): Promise<Map<Run, Pair[]>> {
  const pairs = new Map(RUNS.map((run): [Run, Pair[]] => [run, []]));
  const start = performance.now();
  for (let round = 0; round <= MIN_PAIRS || performance.now() - start < seconds * 1000; round++)
    for (const [run, measured] of pairs) {
      const result = await pair(clients.slice(0, run.clients), plain.run[run.kind], enrolled.run[run.kind]);
      if (round > 0) measured.push(result);
    }
  return pairs;
}

function report(of: (run: Run) => Pairs, say: Part['say']): Record<string, number> {
  const lines = RUNS.map((run) => {
    const { perSecond, ratio, cpuUs } = of(run);
    const name = `${run.kind}, ${run.clients} client${run.clients === 1 ? '' : 's'}`;
    const ratios = [ratio.median, ratio.min, ratio.max].map(rounded);
    return [name, ...perSecond.map(Math.round), ...ratios, ...cpuUs.map(Math.round)];
  });
  const head = ['plain', 'enrolled', 'ratio', 'lower quarter', 'upper quarter', 'CPU µs, plain', 'CPU µs, enrolled'];
  say(markdownTable([`one-row transactions per second (${of(RUNS[0] as Run).count} pairs)`, ...head], lines));
  return Object.fromEntries(
    RUNS.flatMap((run) => {
      const { perSecond, ratio, cpuUs } = of(run);
      const name = nameOf(run);
      return [
        [`plain${name}`, Math.round(perSecond[0])],
        [`enrolled${name}`, Math.round(perSecond[1])],
        [`ratio${name}`, rounded(ratio.median)],
        [`plainCpuUs${name}`, rounded(cpuUs[0])],
        [`enrolledCpuUs${name}`, rounded(cpuUs[1])],
      ];
    }),
  );
}
