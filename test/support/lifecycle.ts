import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { withConnection } from '../../local/region/connection.ts';
import { type LoadedTable, type LoadTableOptions, loadTable } from '../../local/region/load-table.ts';
import type { Regions } from '../../local/region.ts';
import type { Acknowledged } from './acknowledged.ts';
import { type Load, startLoad } from './under-load.ts';

/** What is only warned of would hide a fault. */
const onWarning = (message: string): never => {
  throw new Error(message);
};

/** A first load of one table, through the use case that the command calls. */
export function loadOne(
  regions: Regions,
  table: string,
  from: string,
  into: string,
  options: Partial<LoadTableOptions> = {},
): Promise<LoadedTable> {
  const [source, target] = [regions.named(from), regions.named(into)];
  return loadTable({
    ...{ table, topology: regions.topology, onWarning },
    source: { url: source.url() },
    target: { url: target.url(), applyUrl: target.url('concord_apply') },
    ...options,
  });
}

/** First loads of all tables; nothing of them may be parked. */
export async function loadAll(regions: Regions, from: string, into: string): Promise<LoadedTable[]> {
  const loaded: LoadedTable[] = [];
  for (const { name } of regions.topology.tables) loaded.push(await loadOne(regions, name, from, into, { limit: 200 }));
  for (const { parked } of loaded) assert.equal(parked, 0, 'nothing of a first load is parked');
  return loaded;
}

/**
 * All regions hold the same, by two comparisons that share no code; nothing that was acknowledged is missing; and a reconciliation, which
 * collects tombstones, finds nothing.
 */
export async function assertSame(regions: Regions, acknowledged?: Acknowledged): Promise<void> {
  await regions.drained();
  const horizonUs = await greatestHorizonUs(regions);
  await collectAll(regions, horizonUs);
  const { equal, differences } = await regions.compare();
  assert.ok(equal, differences.join('\n'));
  if (acknowledged !== undefined) assert.deepEqual(await acknowledged.missing(regions.all, horizonUs), []);
  await announced(regions);
  const { verdict, tables, errors } = await regions.reconcile({}, { waitMs: WAIT_MS });
  assert.equal(verdict, 'match', JSON.stringify({ errors, tables }));
}

const WAIT_MS = 60_000;

/** A run compares what all regions have announced as closed: of one that is new, or was away, that is not what is written now. */
async function announced({ all }: Regions): Promise<void> {
  await Promise.all(
    all.map(({ url }) =>
      withConnection(url(), async (sql) => {
        const [began] = await sql<{ at: string }[]>`select clock_timestamp()::text as at`;
        const isLater = () =>
          sql`select from concord.heartbeat having max(closed_at) > ${began?.at ?? ''}::text::timestamptz`;
        while ((await isLater()).length === 0) await delay(50);
      }),
    ),
  );
}

/** Reconciles and repairs: resolves to how many keys differed. Afterwards nothing may, but what is written meanwhile. */
export async function repairAll(regions: Regions): Promise<number> {
  await announced(regions);
  const { tables, errors } = await regions.reconcile({ repair: true }, { waitMs: WAIT_MS });
  // What is being restored is told; it is repaired all the same.
  assert.deepEqual(
    errors.filter((error) => !error.includes('is suspended')),
    [],
  );
  for (const { after } of tables) assert.ok(['match', 'in_flight', undefined].includes(after?.verdict), after?.verdict);
  return tables.reduce((sum, { counts }) => sum + counts.diverged, 0);
}

/** Tombstones below the horizon are no part of the state, and each region deletes them when it comes to it. */
const collectAll = ({ all }: Regions, horizonUs: number): Promise<unknown> =>
  Promise.all(
    all.map(({ url }) =>
      withConnection(
        url(),
        (sql) => sql`
          delete from concord_public.items
          where _last_updated < timestamptz 'epoch' + ${String(horizonUs)}::text::int8 * interval '1 microsecond'`,
      ),
    ),
  );

/** Of table items: µs since 1970. */
async function greatestHorizonUs({ all }: Regions): Promise<number> {
  const horizons = await Promise.all(
    all.map(({ url }) =>
      withConnection(
        url(),
        (sql) => sql<{ us: string }[]>`
          select (extract(epoch from horizon) * 1000000)::int8::text as us from concord.enrolled_table
          where table_name = 'public.items' and isfinite(horizon)`,
      ),
    ),
  );
  return Math.max(0, ...horizons.map(([row]) => Number(row?.us ?? 0)));
}

const running: Load[] = [];

/** As `startLoad`, for `stopLoads`. */
export const beginLoad: typeof startLoad = (...options) => {
  const load = startLoad(...options);
  running.push(load);
  return load;
};

/** The clients of a test that failed would try for ever. */
export const stopLoads = async (): Promise<void> => void (await Promise.allSettled(running.map((load) => load.stop())));
