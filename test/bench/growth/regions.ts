import { setTimeout as delay } from 'node:timers/promises';
import type { Tally } from '@concord/idempotency';
import type { Region } from '../../../local/region/database.ts';
import { makeTemplate, type Template } from '../../../local/region/template.ts';
import { type Regions, startRegions } from '../../../local/region.ts';
import { cpuSeconds } from '../cpu.ts';
import { DURABLE } from '../durable.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded, spreadOf } from '../spread.ts';
import { takeTurns } from '../turns.ts';
import { createTable, TABLE, values, withDatabase } from '../users-table.ts';

const COUNTS = [2, 4, 8];
const NAMES = [
  ...['us-east-1', 'eu-west-1', 'ap-south-1', 'sa-east-1'],
  ...['us-west-2', 'eu-north-1', 'ap-east-1', 'af-south-1'],
];
const PARTITIONS = 4;
const BATCH = 1000;
/** Of `rows`: changes that all regions make together in one run. */
const CHANGED_SHARE = 0.2;
const UPDATED_SHARE = 0.7;
/** Rows of each region that are changed before the run: connections, catalogues and statements are there. */
const WARM_UP = 100;
const POLL_MS = 5;
/** Most of a round is the start of its databases. */
const MIN_ROUNDS = 2;
const MICROS = 1e6;

type Cost = { readonly perSecond: number; readonly nodeUs: number; readonly serverUs: number };

/**
 * So many changes are shared out over the regions, and each goes to all other regions; captured beforehand, then let into all at
 * once. Everything runs on this machine, so the rate is that of all regions together, and it is the CPU per change that tells how
 * apply grows.
 */
export async function growRegions({ rows, seconds, say }: Part): Promise<Record<string, number>> {
  const changesOf = (count: number): number => Math.ceil((rows * CHANGED_SHARE) / count);
  // Rows of before, of which each region updates its own.
  const shared = Math.max(...COUNTS.map((count) => count * (WARM_UP + updatesOf(changesOf(count)))));
  const fill = `insert into ${TABLE} select i, ${values('i', '0')} from generate_series(1::bigint, ${shared}) i`;
  const { template } = await makeTemplate({
    database: 'bench',
    load: async (sql) => {
      await sql.unsafe(createTable(TABLE));
      await sql.unsafe(fill);
    },
  });
  const costs = new Map(COUNTS.map((count): [number, Cost[]] => [count, []]));
  try {
    const spread = await takeTurns(
      COUNTS,
      seconds,
      async (count, round) => {
        // What warms up is this process: the databases are new each time.
        if (round === 'warm-up' && count !== COUNTS[0]) return 0;
        const cost = await runOnce({ count, changes: changesOf(count), shared, template, say });
        if (round !== 'warm-up') costs.get(count)?.push(cost);
        say(`${round}: ${count} regions: ${Math.round(cost.perSecond).toLocaleString('en-US')} applied/s`);
        return cost.perSecond;
      },
      MIN_ROUNDS,
    );
    return report(changesOf, spread, costs, say);
  } finally {
    await template.remove();
  }
}

const updatesOf = (changes: number): number => Math.round(changes * UPDATED_SHARE);

type Run = {
  readonly count: number;
  /** That each region makes. */
  readonly changes: number;
  readonly shared: number;
  readonly template: Template;
  readonly say: Part['say'];
};

/** New regions for each run: what idles beside a measurement would be measured too. */
async function runOnce({ count, changes, shared, template, say }: Run): Promise<Cost> {
  const names = NAMES.slice(0, count);
  const regions = await startRegions({
    ...{ regions: names, template, tables: [TABLE], partitions: PARTITIONS, batchSize: BATCH },
    ...{ settings: DURABLE, onWarning: say },
  });
  try {
    await writeEverywhere(regions, { from: 0, to: WARM_UP, shared });
    await regions.drained();
    const before = await sumOf(regions);
    for (const name of names) regions.holdInbound(name);
    await writeEverywhere(regions, { from: WARM_UP, to: WARM_UP + changes, shared });
    await allCaptured(regions, (WARM_UP + changes) * count);
    const cost = await release(regions, changes * count * (count - 1));
    await regions.drained();
    await check(regions, before, changes * count * (count - 1));
    return cost;
  } finally {
    await regions.stop();
  }
}

type Share = { readonly from: number; readonly to: number; readonly shared: number };

/** Each region updates rows of its own and inserts rows of its own, in one transaction. */
async function writeEverywhere(regions: Regions, { from, to, shared }: Share): Promise<void> {
  const count = regions.all.length;
  const updatedTo = from + updatesOf(to - from);
  await Promise.all(
    regions.all.map(({ cluster }, index) => {
      const idOf = (n: string): string => `(${n} * ${count} + ${index + 1})`;
      const column = 'tenant_id, email, name, status, qty, price, payload, active, note, born, created_at';
      const update = `update ${TABLE} set (${column}) = (select ${values(`${TABLE}.id`, '1')})
        where id in (select ${idOf('n')} from generate_series(${from}::bigint, ${updatedTo - 1}) n)`;
      const insert = `insert into ${TABLE} select i, ${values('i', '1')}
        from (select ${shared} + ${idOf('n')} as i from generate_series(${updatedTo}::bigint, ${to - 1}) n) x`;
      return withDatabase(cluster, 'bench', (sql) =>
        sql.begin(async (tx) => {
          await tx.unsafe(update);
          await tx.unsafe(insert);
        }),
      );
    }),
  );
}

async function allCaptured({ captures }: Regions, changes: number): Promise<void> {
  const captured = (): number => [...captures.values()].reduce((sum, capture) => sum + capture.captured(), 0);
  while (captured() < changes) await delay(POLL_MS);
}

/** CPU seconds of this process, which runs every region's function, and of this process and all servers. */
function cpuOf(regions: readonly Region[]): { node: number; all: number } {
  const { user, system } = process.cpuUsage();
  const node = (user + system) / MICROS;
  return { node, all: regions.reduce((sum, { cluster }) => sum + cpuSeconds(cluster.pid) - node, node) };
}

async function release(regions: Regions, applied: number): Promise<Cost> {
  const [startedAtMs, before] = [performance.now(), cpuOf(regions.all)];
  for (const { name } of regions.all) regions.releaseInbound(name);
  await Promise.all(regions.links.map(({ mapping }) => mapping.drained()));
  const [seconds, after] = [(performance.now() - startedAtMs) / 1000, cpuOf(regions.all)];
  const node = after.node - before.node;
  return {
    perSecond: applied / seconds,
    nodeUs: (node * MICROS) / applied,
    serverUs: ((after.all - before.all - node) * MICROS) / applied,
  };
}

async function sumOf(regions: Regions): Promise<Pick<Tally, 'applied' | 'parked' | 'conflicts'>> {
  const accounts = await regions.accounts();
  const sum = (of: 'applied' | 'parked' | 'conflicts'): number =>
    accounts.reduce((total, { tally }) => total + tally[of], 0);
  return { applied: sum('applied'), parked: sum('parked'), conflicts: sum('conflicts') };
}

async function check(regions: Regions, before: Pick<Tally, 'applied'>, expected: number): Promise<void> {
  const after = await sumOf(regions);
  const applied = after.applied - before.applied;
  if (applied !== expected || after.parked > 0 || after.conflicts > 0)
    throw new Error(`${regions.all.length} regions: expected ${expected} applied, counted ${JSON.stringify(after)}`);
  const { equal, differences } = await regions.compare();
  if (!equal) throw new Error(`${regions.all.length} regions are not equal:\n${differences.join('\n')}`);
}

function report(
  changesOf: (count: number) => number,
  spread: (count: number) => { min: number; median: number; max: number },
  costs: ReadonlyMap<number, readonly Cost[]>,
  say: Part['say'],
): Record<string, number> {
  const figures: Record<string, number> = {};
  const lines = COUNTS.map((count) => {
    const { min, median, max } = spread(count);
    const cpu = (of: 'nodeUs' | 'serverUs'): number =>
      rounded(spreadOf((costs.get(count) ?? []).map((cost) => cost[of])).median);
    const [node, server] = [cpu('nodeUs'), cpu('serverUs')];
    figures[`regions${count}AppliedPerSecond`] = Math.round(median);
    figures[`regions${count}NodeUs`] = node;
    figures[`regions${count}ServerUs`] = server;
    const ratio = rounded(median / spread(COUNTS[0] ?? count).median);
    const applied = changesOf(count) * count * (count - 1);
    return [String(count), applied, ...[min, median, max].map(Math.round), ratio, node, server];
  });
  const head = ['applied in a run', 'per second, all together: min', 'median', 'max', 'of the first'];
  say(markdownTable(['regions', ...head, 'CPU µs per applied change: Node', 'servers'], lines));
  return figures;
}
