import { type DigestMode, parseTopology, type Topology, topicOf } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { runReconciliation } from '../../../functions/reconcile/run.ts';
import { type Cluster, startCluster } from '../../../local/postgres/cluster.ts';
import { connectRegions } from '../../../local/reconcile/regions.ts';
import { memoryStore } from '../../../local/reconcile/store.ts';
import { cpuSeconds } from '../cpu.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded, type Spread } from '../spread.ts';
import { takeTurns } from '../turns.ts';
import {
  copyDatabase,
  createFilled,
  createTable,
  firstStamp,
  HERE,
  SOURCE,
  TABLE,
  withDatabase,
} from '../users-table.ts';
import { otherDiffs } from './other-diffs.ts';

/** The checksums in C that pg_comparator brings are built for this version. */
export const RECONCILE_POSTGRES = '15';
const REGIONS = [HERE, SOURCE] as const;
const DATABASES = { equal: ['one', 'two'], ten: ['one', 'three'] } as const;
type Pair = keyof typeof DATABASES;
const DIFFERENCES: Readonly<Record<Pair, number>> = { equal: 0, ten: 10 };

type Run = { readonly name: string; readonly pair: Pair; readonly differences: () => Promise<number> };

/** Two databases of one server compared by Concord, by reladiff and by pg_comparator: rows of one table per second of CPU. */
export async function benchReconcile({ rows, seconds, say }: Part): Promise<Record<string, number>> {
  const cluster = await startCluster({
    version: RECONCILE_POSTGRES,
    name: 'reconcile',
    settings: { autovacuum: 'off', shared_buffers: '2GB' },
  });
  say(`filling ${rows.toLocaleString('en-US')} rows`);
  await createDatabases(cluster, rows);
  const runs = [...concordRuns(cluster), ...(await otherRuns(cluster, say))];
  const measure = async (run: Run, round: string): Promise<number> => {
    const { name, pair, differences } = run;
    const before = cpuSeconds(cluster.pid);
    const found = await differences();
    const spent = cpuSeconds(cluster.pid) - before;
    if (found !== DIFFERENCES[pair])
      throw new Error(`${name} found ${found} differences in place of ${DIFFERENCES[pair]}`);
    say(`${round}: ${titleOf(run)}: ${Math.round(rows / spent).toLocaleString('en-US')}`);
    return rows / spent;
  };
  const spread = await takeTurns(runs, seconds, measure);
  await cluster.remove();
  return report(runs, spread, say);
}

async function createDatabases(cluster: Cluster, rows: number): Promise<void> {
  await createFilled(cluster, 'one', rows, firstStamp());
  await withDatabase(cluster, 'one', async (sql) => {
    // The others compare one table.
    await sql.unsafe('truncate concord_public.users');
    await sql.unsafe(DELIVERED, [topicOf(SOURCE), topicOf(HERE)]);
  });
  await copyDatabase(cluster, 'one', 'two');
  await withDatabase(cluster, 'one', announce);
  await withDatabase(cluster, 'two', async (sql) => {
    await sql.unsafe('update concord.region set name = $1::text', [SOURCE]);
    await announce(sql);
  });
  await copyDatabase(cluster, 'two', 'three');
  await withDatabase(cluster, 'three', async (sql) => {
    await sql.unsafe('set session_replication_role = replica');
    // Ten rows have an older version here, wherever they are in the table.
    await sql.unsafe(
      `update users set name = 'of before', _last_updated = _last_updated - interval '1 second' where id in (
         select 1 + (n * 7919 * 31) % $1::int from generate_series(1, 10) n)`,
      [rows],
    );
    await sql.unsafe('vacuum (analyze, freeze) users');
  });
}

/** As if everything that was written up to now had been delivered. */
const DELIVERED = /* sql */ `
insert into concord.watermark (topic, partition, next_offset, closed_at)
select topic, partition, 1, now() + interval '1 minute' from unnest(array[$1::text, $2::text]) topic, generate_series(0, 7) partition`;

/** The first heartbeat announces what no earlier one has made sure of. */
const announce = async (sql: Sql): Promise<void> => {
  for (let beat = 0; beat < 2; beat++) await sql.unsafe('select concord.beat()');
};

function topology(): Topology {
  const regions = REGIONS.map((name, slot) => ({ name, slot }));
  const parsed = parseTopology({
    version: 1,
    hub: HERE,
    regions,
    tables: [{ name: TABLE }],
    topics: { partitions: 8 },
  });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ reason }) => reason).join('; '));
  return parsed.topology;
}

const MODES: readonly DigestMode[] = ['stamps', 'full'];

const concordRuns = (cluster: Cluster): Run[] =>
  MODES.flatMap((mode) =>
    (Object.keys(DATABASES) as Pair[]).map((pair) => ({
      name: `Concord, ${mode}`,
      pair,
      differences: () => concordDifferences(cluster, DATABASES[pair], mode),
    })),
  );

/** The whole run, from the plan to the report. */
async function concordDifferences(cluster: Cluster, databases: readonly string[], mode: DigestMode): Promise<number> {
  const urls = REGIONS.map((name, index) => {
    const database = databases[index] ?? '';
    return [name, { url: cluster.url(database), applyUrl: cluster.url(database, 'concord_apply') }] as const;
  });
  const regions = connectRegions({ topology: topology(), urls: new Map(urls), onWarning: () => undefined });
  try {
    const context = { topology: topology(), regions, store: memoryStore(), now: () => Date.now() * 1000 };
    const { tables, errors } = await runReconciliation(context, { run: 'bench', input: { mode } });
    if (errors.length > 0) throw new Error(errors.join('; '));
    return tables.reduce((sum, { counts }) => sum + counts.diverged + counts.corrupt, 0);
  } finally {
    await regions.close();
  }
}

async function otherRuns(cluster: Cluster, say: Part['say']): Promise<Run[]> {
  const columns = [...createTable('t').matchAll(/(\w+) (?:uuid|text|int|numeric|jsonb|boolean|date|timestamptz)/g)].map(
    ([, name]) => name ?? '',
  );
  const all = [...columns, '_version', '_last_updated', '_source_region', '_tx_id', '_version_vector'];
  const runs: Run[] = [];
  for (const [index, pair] of (Object.keys(DATABASES) as Pair[]).entries()) {
    const tables = { cluster, databases: DATABASES[pair], key: 'id', columns: all };
    for (const { name, differences } of await otherDiffs(tables, index === 0 ? say : () => undefined))
      runs.push({ name, pair, differences });
  }
  return runs;
}

const titleOf = ({ name, pair }: Run): string => `${name}, ${pair === 'equal' ? 'equal' : '10 differences'}`;

const camel = ({ name, pair }: Run): string =>
  `${name.replace('Concord, ', 'concord_').replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())}${pair === 'equal' ? '' : 'Ten'}`;

function report(runs: readonly Run[], spread: (run: Run) => Spread, say: Part['say']): Record<string, number> {
  const median = (run: Run): number => spread(run).median;
  const others = runs.filter(({ name, pair }) => pair === 'equal' && !name.startsWith('Concord'));
  const best = Math.max(0, ...others.map(median));
  const equalOf = ({ name }: Run): Run => runs.find((run) => run.name === name && run.pair === 'equal') as Run;
  const lines = runs.map((run) => {
    const { min, median: middle, max } = spread(run);
    const figures = [min, middle, max].map(Math.round);
    return [titleOf(run), ...figures, rounded(median(equalOf(run)) / middle)];
  });
  say(
    markdownTable(['rows of the table per second of CPU', 'min', 'median', 'max', 'time over the equal case'], lines),
  );
  const ours = runs.filter(({ name, pair }) => pair === 'equal' && name.startsWith('Concord'));
  const ratios = best === 0 ? [] : ours.map((run) => [`${camel(run)}OverBest`, rounded(median(run) / best)] as const);
  return Object.fromEntries([...runs.map((run) => [camel(run), Math.round(median(run))] as const), ...ratios]);
}
