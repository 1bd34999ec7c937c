import { addTallies, EMPTY_TALLY, type Tally } from '@concord/idempotency';
import { connect } from '@concord/runtime';
import { type Apply, createApply } from '../../../functions/apply/apply.ts';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { cpuSeconds } from '../cpu.ts';
import { collectGarbage } from '../garbage.ts';
import { withDatabase } from '../users-table.ts';
import { type Asked, countingRelay } from './round-trips.ts';
import type { Queued, WideChanges } from './wide-changes.ts';
import { countWritten, type Shape, tidy, wideTopology } from './wide-tables.ts';

const MICROS = 1e6;
/** Invocations over which round trips are counted, after as many that warm up. */
const COUNTED_INVOCATIONS = 2;

export type WideDatabase = {
  readonly cluster: Cluster;
  readonly database: string;
  readonly shape: Shape;
  readonly changes: WideChanges;
};

/** What one run of changes took. */
export type Cost = {
  readonly rowsPerSecond: number;
  /** CPU per row of this process, and of the whole server, µs. */
  readonly nodeUs: number;
  readonly serverUs: number;
};

/** The real apply function; a run is over a connection of its own, as every execution environment has one. */
type Applying = { readonly apply: Apply; readonly tally: () => Tally; readonly end: () => Promise<void> };

function applying({ shape }: WideDatabase, url: string): Applying {
  const sql = connect({ url });
  let tally = EMPTY_TALLY;
  const apply = createApply({
    sql,
    topology: wideTopology(shape),
    now: () => Date.now() * 1000,
    onBatch: (batch) => {
      tally = addTallies(tally, batch);
    },
    onWarning: (message, error) => {
      throw new Error(message, { cause: error });
    },
  });
  return { apply, tally: () => tally, end: () => sql.end() };
}

const urlOf = ({ cluster, database }: WideDatabase): string => cluster.url(database, 'concord_apply');

/** Every record was applied, and is in its table as it was sent. */
async function check({ cluster, database, shape }: WideDatabase, queued: Queued, tally: Tally): Promise<void> {
  const expected = { ...EMPTY_TALLY, received: queued.changes, applied: queued.changes };
  if (JSON.stringify(tally) !== JSON.stringify(expected))
    throw new Error(`${database}: expected ${JSON.stringify(expected)}, counted ${JSON.stringify(tally)}`);
  const written = await withDatabase(cluster, database, (sql) => countWritten(sql, shape, queued.firstStamp));
  if (written !== queued.changes)
    throw new Error(`${database}: ${written} of ${queued.changes} rows are there as they were sent`);
}

/** Applies `count` changes in invocations of `batch` records, and checks the result. The first invocation, which also connects, is not measured. */
export async function applyChanges(of: WideDatabase, count: number, batch: number): Promise<Cost> {
  const running = applying(of, urlOf(of));
  try {
    await withDatabase(of.cluster, of.database, tidy);
    const first = of.changes(batch, batch);
    const queued = of.changes(count, batch);
    for (const event of first.events) await running.apply(event);
    collectGarbage();
    const [startedAtMs, node, all] = [performance.now(), process.cpuUsage(), cpuSeconds(of.cluster.pid)];
    for (const event of queued.events) await running.apply(event);
    const seconds = (performance.now() - startedAtMs) / 1000;
    const { user, system } = process.cpuUsage(node);
    const totalUs = (cpuSeconds(of.cluster.pid) - all) * MICROS;
    await check(of, { ...queued, changes: batch + count, firstStamp: first.firstStamp }, running.tally());
    return {
      rowsPerSecond: count / seconds,
      nodeUs: (user + system) / count,
      serverUs: Math.max(0, totalUs - user - system) / count,
    };
  } finally {
    await running.end();
  }
}

/** What an invocation of `batch` records asks of the server once the function is warm. */
export async function askedPerInvocation(of: WideDatabase, batch: number): Promise<Asked> {
  const { cluster, changes } = of;
  const relay = await countingRelay(cluster);
  const url = new URL(urlOf(of));
  url.port = String(relay.port);
  const running = applying(of, url.href);
  try {
    const apply = async (queued: Queued): Promise<void> => {
      for (const event of queued.events) await running.apply(event);
    };
    await apply(changes(COUNTED_INVOCATIONS * batch, batch));
    const before = relay.asked();
    await apply(changes(COUNTED_INVOCATIONS * batch, batch));
    const after = relay.asked();
    const each = (figure: keyof Asked): number => Math.round((after[figure] - before[figure]) / COUNTED_INVOCATIONS);
    return { roundTrips: each('roundTrips'), statements: each('statements') };
  } finally {
    await running.end();
    relay.close();
  }
}
