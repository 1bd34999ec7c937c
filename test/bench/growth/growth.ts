import { type Cluster, startCluster } from '../../../local/postgres/cluster.ts';
import { DURABLE } from '../durable.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded, spreadOf } from '../spread.ts';
import { takeTurns } from '../turns.ts';
import { applyChanges, askedPerInvocation, type Cost, type WideDatabase } from './applied.ts';
import { growRegions } from './regions.ts';
import { wideChanges } from './wide-changes.ts';
import { createWide, type Shape } from './wide-tables.ts';

const SETTINGS = { ...DURABLE, autovacuum: 'off', shared_buffers: '1GB' };
const BATCHES = [10, 100, 1000, 10_000];
const TABLES = [1, 10, 50, 200];
const TABLE_BATCHES = [1000, 10_000];
const COLUMNS = [1, 5, 17, 50];
const GREATEST_BATCH = 10_000;
/** Of rows: changes of one run. */
const CHANGED_SHARE = 0.2;
const [MIN_INVOCATIONS, MAX_INVOCATIONS] = [2, 300];
/** A run of the greatest invocations, with the one before that is not measured, must not update a row twice. */
const LEAST_ROWS = 25_000;
const COLUMN_CHARS = 16;
const USUAL = { tables: 1, columns: 10, columnChars: COLUMN_CHARS };
/** Four here and the regions. */
const SERIES = 5;

/** One size of a series. */
type Size = { readonly key: string; readonly name: string; readonly batch: number; readonly of: WideDatabase };
type Series = { readonly what: string; readonly sizes: readonly Size[] };

/** How apply grows with regions, with the size of a batch, with tables and with columns. */
export async function benchGrowth(part: Part): Promise<Record<string, number>> {
  if (part.rows < LEAST_ROWS) throw new Error(`growth needs ${LEAST_ROWS.toLocaleString('en-US')} rows at least`);
  const ofSeries = { ...part, seconds: part.seconds / SERIES };
  const cluster = await startCluster({ name: 'growth', settings: SETTINGS });
  const figures: Record<string, number> = {};
  try {
    const usual = await wideDatabase(cluster, 'usual', { ...USUAL, rows: part.rows });
    Object.assign(figures, await grow(batchSeries(usual), ofSeries));
    for (const series of await tableSeries(cluster, ofSeries)) Object.assign(figures, await grow(series, ofSeries));
    Object.assign(figures, await grow(await columnSeries(cluster, part.rows), ofSeries));
  } finally {
    await cluster.remove();
  }
  return { ...figures, ...(await growRegions(ofSeries)) };
}

async function wideDatabase(cluster: Cluster, database: string, shape: Shape): Promise<WideDatabase> {
  await createWide(cluster, database, shape);
  return { cluster, database, shape, changes: wideChanges(shape) };
}

const batchSeries = (of: WideDatabase): Series => ({
  what: 'records per invocation',
  sizes: BATCHES.map((batch) => ({ key: `batch${batch}`, name: batch.toLocaleString('en-US'), batch, of })),
});

/** As many rows and changes whatever the number of tables. */
async function tableSeries(cluster: Cluster, { rows, say }: Part): Promise<Series[]> {
  const databases: WideDatabase[] = [];
  for (const tables of TABLES) {
    const shape = { ...USUAL, tables, rows: Math.ceil(rows / tables) };
    const database = `tables${tables}`;
    const seconds = await createWide(cluster, database, shape);
    say(`${tables} tables enrolled in ${seconds.toFixed(1)} s`);
    databases.push({ cluster, database, shape, changes: wideChanges(shape) });
  }
  return TABLE_BATCHES.map((batch) => ({
    what: `tables, ${batch.toLocaleString('en-US')} records per invocation`,
    sizes: databases.map((of) => {
      const { tables } = of.shape;
      return { key: `tables${tables}Batch${batch}`, name: String(tables), batch, of };
    }),
  }));
}

async function columnSeries(cluster: Cluster, rows: number): Promise<Series> {
  const sizes: Size[] = [];
  for (const columns of COLUMNS) {
    const of = await wideDatabase(cluster, `columns${columns}`, { ...USUAL, columns, rows });
    sizes.push({ key: `columns${columns}`, name: String(columns), batch: GREATEST_BATCH, of });
  }
  return { what: `columns of ${COLUMN_CHARS} characters, ${GREATEST_BATCH.toLocaleString('en-US')} records`, sizes };
}

/** Whole invocations; of small ones fewer changes tell as much. */
function changesOf({ batch, of }: Size): number {
  const { rows, tables } = of.shape;
  const invocations = Math.floor((rows * tables * CHANGED_SHARE) / batch);
  return batch * Math.max(MIN_INVOCATIONS, Math.min(MAX_INVOCATIONS, invocations));
}

async function grow({ what, sizes }: Series, { seconds, say }: Part): Promise<Record<string, number>> {
  const costs = new Map(sizes.map((size): [Size, Cost[]] => [size, []]));
  const spread = await takeTurns(sizes, seconds, async (size, round) => {
    const cost = await applyChanges(size.of, changesOf(size), size.batch);
    if (round !== 'warm-up') costs.get(size)?.push(cost);
    say(`${round}: ${size.name} ${what}: ${Math.round(cost.rowsPerSecond).toLocaleString('en-US')} rows/s`);
    return cost.rowsPerSecond;
  });
  const [first] = sizes;
  const lines: (string | number)[][] = [];
  const figures: Record<string, number> = {};
  for (const size of sizes) {
    const { min, median, max } = spread(size);
    const cpu = (of: 'nodeUs' | 'serverUs'): number =>
      rounded(spreadOf((costs.get(size) ?? []).map((cost) => cost[of])).median);
    const { roundTrips, statements } = await askedPerInvocation(size.of, size.batch);
    const ratio = rounded(median / spread(first ?? size).median);
    const [node, server] = [cpu('nodeUs'), cpu('serverUs')];
    lines.push([size.name, ...[min, median, max].map(Math.round), ratio, node, server, statements, roundTrips]);
    Object.assign(figures, {
      [`${size.key}RowsPerSecond`]: Math.round(median),
      [`${size.key}NodeUs`]: node,
      [`${size.key}ServerUs`]: server,
      [`${size.key}RoundTrips`]: roundTrips,
    });
  }
  const head = ['rows/s: min', 'median', 'max', 'of the first', 'CPU µs/row: Node', 'server'];
  say(markdownTable([what, ...head, 'statements per invocation', 'round trips'], lines));
  return figures;
}
