import { setTimeout as delay } from 'node:timers/promises';
import type { RegionCapture } from '../carrier/carrier.ts';
import { withConnection } from './connection.ts';
import type { Region } from './database.ts';
import type { Link } from './link.ts';
import type { Upkeep } from './upkeep.ts';

export type Drainable = {
  readonly regions: readonly Region[];
  readonly captures: ReadonlyMap<string, RegionCapture>;
  readonly links: readonly Link[];
  readonly upkeeps: ReadonlyMap<string, Upkeep>;
};

const BETWEEN_PASSES_MS = 50;

/**
 * Resolves when all that was committed before the call is in the logs, every mapping has handled them, and no region has
 * keys to settle or parked records that are about to be tried again. Never while a region is cut off.
 */
export async function drain({ regions, captures, links, upkeeps }: Drainable): Promise<void> {
  await Promise.all(regions.map((region) => captured(region, captures.get(region.name))));
  await Promise.all(links.map(({ mapping }) => mapping.drained()));
  await Promise.all([...upkeeps.values()].map(settled));
}

async function captured(region: Region, capture: RegionCapture | undefined): Promise<void> {
  const [row] = await withConnection(
    region.url(),
    (sql) => sql<{ lsn: string }[]>`select pg_current_wal_lsn()::text as lsn`,
  );
  await capture?.caughtUpTo(row?.lsn ?? '0/0');
}

async function settled(upkeep: Upkeep): Promise<void> {
  for (let left = await upkeep.pass(); left.unsettled > 0 || left.retrying > 0; left = await upkeep.pass())
    await delay(BETWEEN_PASSES_MS);
}
