import type { Topology } from '@concord/events';
import { enroll } from '../../functions/enroll/enroll.ts';
import { mergeGreatestIds, readGreatestIds } from '../../functions/enroll/sequences.ts';
import { type Cluster, startCluster } from '../postgres/cluster.ts';
import type { Settings } from '../postgres/settings.ts';
import { withConnection } from './connection.ts';
import { SETTINGS } from './settings.ts';
import type { Template } from './template.ts';

/** One region's database on this machine. */
export type Region = {
  readonly name: string;
  readonly cluster: Cluster;
  /** By default as superuser `postgres`. */
  readonly url: (user?: string) => string;
};

/** One cluster per region, each a copy of the template; `settings` override the usual ones. */
export const startDatabases = (
  names: readonly string[],
  template: Template,
  settings: Settings = {},
): Promise<Region[]> =>
  Promise.all(
    names.map(async (name): Promise<Region> => {
      const { version, dataDir, database } = template;
      const cluster = await startCluster({ version, name, template: dataDir, settings: { ...SETTINGS, ...settings } });
      return { name, cluster, url: (user) => cluster.url(database, user) };
    }),
  );

/** Enrolls the topology's tables in every region; sequences start above the greatest id of any. */
export async function enrollAll(regions: readonly Region[], topology: Topology): Promise<void> {
  const tables = topology.tables.map(({ name }) => name);
  const ids = await Promise.all(regions.map(({ url }) => withConnection(url(), (sql) => readGreatestIds(sql, tables))));
  const greatestIds = mergeGreatestIds(ids);
  await Promise.all(
    regions.map(({ name, url }) =>
      withConnection(url(), (sql) => enroll(sql, { topology, region: name, greatestIds })),
    ),
  );
}
