import {
  CLAIM_COLUMN,
  type DigestRequest,
  LATTICE_COLUMNS,
  LOCAL_COLUMN,
  type Reading,
  type RepairVersion,
  STAMP_COLUMNS,
  type StoredVersion,
} from '@concord/events';
import type { Context, Regions } from '../../functions/reconcile/context.ts';
import { repairPagesOf } from '../../functions/reconcile/repair.ts';
import type { RepairPage } from '../../functions/reconcile/stored.ts';

/** One version that a repair would send to one region, and what stands there. */
export type PlannedWrite = {
  readonly region: string;
  readonly table: string;
  readonly key: readonly string[];
  readonly stands: Version | null;
  readonly would: Version;
  /** Columns that would change, or all of a row that is missing. */
  readonly columns: readonly { readonly name: string; readonly stands: string | null; readonly would: string | null }[];
};

type Version = Pick<StoredVersion, 'place' | 'event'>;

/** Reads the stored versions of keys whole; hashes of them are not asked for. */
const readingOf = (table: string): Reading => ({
  ...{ table, mode: 'stamps', hashing: 'text', columns: [], horizonUs: 0, sinceUs: 0 },
});

/** Regions in which nothing is written: a run collects no tombstones there, and keeps no report. */
export function readOnly(regions: Regions): Regions {
  const digest = async (region: string, request: DigestRequest): Promise<unknown> => {
    if (request.do === 'collect') return { horizonUs: request.horizonUs, collected: 0, left: false };
    if (request.do === 'keep') return { kept: true };
    return regions.digest(region, request);
  };
  return {
    digest: digest as Regions['digest'],
    repair: (region) => Promise.reject(new Error(`nothing is written to ${region} in a dry run`)),
  };
}

const MAX_KEYS = 500;

/** What the repair of a run would send: the pages that it would read, beside what stands there now. */
export async function* plannedWrites(
  context: Context,
  run: string,
  regions: readonly string[],
): AsyncGenerator<PlannedWrite> {
  for (const region of regions)
    for await (const page of repairPagesOf(context, run, region))
      for (let at = 0; at < page.versions.length; at += MAX_KEYS)
        yield* await beside(context, region, { ...page, versions: page.versions.slice(at, at + MAX_KEYS) });
}

async function beside(
  { regions }: Context,
  region: string,
  { table, key, versions }: RepairPage,
): Promise<PlannedWrite[]> {
  const keyOf = ({ event }: Pick<RepairVersion, 'event'>): string[] => key.map((name) => event[name] ?? '');
  const keys = versions.map(keyOf);
  const { versions: stored } = await regions.digest(region, { do: 'versions', reading: readingOf(table), keys });
  const byKey = Map.groupBy(stored, (version) => JSON.stringify(version.key));
  return versions.map((would, index): PlannedWrite => {
    const stands = standing(byKey.get(JSON.stringify(keys[index])) ?? []);
    return { region, table, key: keys[index] ?? [], stands, would, columns: changes(stands, would) };
  });
}

/** A key may have a row and, under it, an older tombstone. */
const standing = (versions: readonly StoredVersion[]): StoredVersion | null =>
  versions.find(({ place }) => place !== 'tombstone') ?? versions[0] ?? null;

const OWN_COLUMNS: readonly string[] = [...STAMP_COLUMNS, ...LATTICE_COLUMNS, LOCAL_COLUMN, CLAIM_COLUMN];

/** What Concord keeps of a version is told in other words. */
function changes(stands: Version | null, would: Version): PlannedWrite['columns'] {
  if (would.place === 'tombstone') return [];
  const before = stands === null || stands.place === 'tombstone' ? {} : stands.event;
  return Object.entries(would.event)
    .filter(([name, text]) => !OWN_COLUMNS.includes(name) && !(name in before && before[name] === text))
    .map(([name, text]) => ({ name, stands: before[name] ?? null, would: text }));
}
