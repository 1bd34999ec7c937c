import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { processUs } from '../cpu.ts';
import { withDatabase } from '../users-table.ts';

/** Process ids of what works for a contestant beside this process. */
export type Workers = {
  /** Where the changes are applied. */
  readonly target: readonly number[];
  /** Where they come from, if it reads them meanwhile. */
  readonly source: readonly number[];
};

/** Told when the measured work begins and ends. */
export type Meter = { readonly begin: (workers: Workers) => void; readonly end: () => void };

/** One way of applying changes to a table, measured repeatedly. */
export type Contestant = {
  readonly name: string;
  readonly database: string;
  /** Makes changes and leaves them waiting; not timed. Returns how many. */
  readonly queue: () => Promise<number>;
  /** Applies what is queued; seconds from the first to the last commit. */
  readonly apply: (meter: Meter) => Promise<number>;
  /** Throws when the table does not hold what was sent. */
  readonly close: () => Promise<void>;
};

/** Of one run. CPU is µs per row, NaN where nobody told. */
export type Measured = {
  readonly rowsPerSecond: number;
  readonly targetCpuUs: number;
  readonly sourceCpuUs: number;
  readonly nodeCpuUs: number;
};

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/**
 * Before a run dead rows are gone, a checkpoint is just done, and this process has no garbage of the queue's making: all of these would
 * otherwise hit one run and not the next.
 */
export async function measureAll(contestant: Contestant, target: Cluster): Promise<Measured> {
  const changes = await contestant.queue();
  await withDatabase(target, contestant.database, async (sql) => {
    await sql.unsafe('vacuum users');
    await sql.unsafe('checkpoint');
  });
  collectGarbage();
  const meter = cpuMeter();
  const seconds = await contestant.apply(meter);
  const perRow = (us: number): number => us / changes;
  const { targetUs, sourceUs, nodeUs } = meter.used();
  return {
    rowsPerSecond: changes / seconds,
    targetCpuUs: perRow(targetUs),
    sourceCpuUs: perRow(sourceUs),
    nodeCpuUs: perRow(nodeUs),
  };
}

/** Rows per second. */
export const measure = async (contestant: Contestant, target: Cluster): Promise<number> =>
  (await measureAll(contestant, target)).rowsPerSecond;

type Used = { readonly targetUs: number; readonly sourceUs: number; readonly nodeUs: number };

function cpuMeter(): Meter & { readonly used: () => Used } {
  let workers: Workers = { target: [], source: [] };
  let used: Used = { targetUs: Number.NaN, sourceUs: Number.NaN, nodeUs: Number.NaN };
  const read = (): Used => {
    const { user, system } = process.cpuUsage();
    return { targetUs: cpuUs(workers.target), sourceUs: cpuUs(workers.source), nodeUs: user + system };
  };
  let start = used;
  return {
    begin: (of) => {
      workers = of;
      start = read();
    },
    end: () => {
      const end = read();
      used = {
        targetUs: end.targetUs - start.targetUs,
        sourceUs: end.sourceUs - start.sourceUs,
        nodeUs: end.nodeUs - start.nodeUs,
      };
    },
    used: () => used,
  };
}

/** CPU time of processes with one thread each, such as PostgreSQL's. Linux counts it in nanoseconds; elsewhere it is NaN. */
function cpuUs(pids: readonly number[]): number {
  try {
    return pids.reduce((sum, pid) => sum + processUs(pid), 0);
  } catch {
    return Number.NaN;
  }
}
