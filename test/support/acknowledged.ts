import { compare } from '@concord/conflict';
import type { Sql } from '@concord/runtime';
import { withConnection } from '../../local/region/connection.ts';
import type { Region } from '../../local/region.ts';

/** A version of row or tombstone `id` of table `items (id bigint, v text)`; the stamp in µs since 1970. */
export type Version = {
  readonly id: string;
  readonly kind: 'row' | 'tombstone';
  readonly stamp: number;
  readonly region: string;
  readonly v: string | null;
};

/** What the databases said to their clients: per key the greatest version whose commit was acknowledged. */
export type Acknowledged = {
  readonly add: (versions: readonly Version[]) => void;
  readonly keys: () => number;
  /** A line for every key and region that holds less than what was acknowledged; tombstones below the horizon (µs) may be gone. */
  readonly missing: (regions: readonly Region[], horizonUs?: number) => Promise<string[]>;
};

export function acknowledgedWrites(): Acknowledged {
  const greatest = new Map<string, Version>();
  return {
    add: (versions) => {
      for (const version of versions) {
        const known = greatest.get(version.id);
        if (known === undefined || compare(version, known) > 0) greatest.set(version.id, version);
      }
    },
    keys: () => greatest.size,
    missing: async (regions, horizonUs = 0) => {
      const stored = await Promise.all(regions.map(({ url }) => withConnection(url(), readStored)));
      return [...greatest.values()].flatMap((best) =>
        stored.flatMap((versions, index) => {
          const found = versions.get(best.id);
          const mayBeGone = best.kind === 'tombstone' && best.stamp < horizonUs;
          return (found === undefined ? mayBeGone : covers(found, best))
            ? []
            : [`${regions[index]?.name}: ${JSON.stringify(found)} instead of ${JSON.stringify(best)}`];
        }),
      );
    },
  };
}

/** The acknowledged version itself, or a newer one. */
const covers = (found: Version, best: Version): boolean => {
  const order = compare(found, best);
  return order > 0 || (order === 0 && found.kind === best.kind && found.v === best.v);
};

/** The columns of a version, for `returning` and `select`. */
export const VERSION = /* sql */ `id::text, (extract(epoch from _last_updated) * 1000000)::int8::text as stamp, _source_region as region`;

export type VersionRow = { id: string; stamp: string; region: string; v: string | null };

export const versionOf = (kind: Version['kind'], { id, stamp, region, v }: VersionRow): Version => ({
  ...{ id, kind, region, v },
  stamp: Number(stamp),
});

/** The greater of row and tombstone, by key. */
async function readStored(sql: Sql): Promise<Map<string, Version>> {
  const rows = await sql.unsafe<(VersionRow & { kind: Version['kind'] })[]>(
    `select 'row' as kind, ${VERSION}, v from items union all select 'tombstone', ${VERSION}, null from concord_public.items`,
  );
  const stored = new Map<string, Version>();
  for (const row of rows) {
    const version = versionOf(row.kind, row);
    const known = stored.get(version.id);
    if (known === undefined || compare(version, known) > 0) stored.set(version.id, version);
  }
  return stored;
}
