import type { Reading, Topology } from '@concord/events';
import { connect, type Sql } from '@concord/runtime';
import { answer } from '../../functions/digest/digest.ts';
import { type Rejoined, type RejoinOptions, rejoin } from '../../functions/lifecycle/rejoin.ts';
import { removeVersions } from '../../functions/lifecycle/remove-versions.ts';
import { openConnection } from './connection.ts';

export type RejoinTableOptions = {
  readonly table: string;
  /** With the region that returns. */
  readonly topology: Topology;
  readonly region: string;
  /** By region, of roles that may read all. */
  readonly urls: ReadonlyMap<string, string>;
  /** The returning region's, as `concord_apply`. */
  readonly applyUrl: string;
  readonly onProgress?: (seen: number) => void;
};

/** What a region that was evicted holds alone and the others had deleted goes; before its topic is read again, and theirs by it. */
export async function rejoinTable(options: RejoinTableOptions): Promise<Rejoined> {
  const { table, topology, region, urls, onProgress } = options;
  const connections = new Map([...urls].map(([name, url]) => [name, openConnection(url, 'concord rejoin')]));
  const apply = connect({ url: options.applyUrl, applicationName: 'concord rejoin' });
  const connection = (name: string): Sql => {
    const sql = connections.get(name);
    if (sql === undefined) throw new Error(`no URL of region '${name}'`);
    return sql;
  };
  const ask: RejoinOptions['ask'] = (name, request) => answer(connection(name), request, { region: name, topology });
  try {
    const others = topology.regions.map(({ name }) => name).filter((name) => name !== region);
    const states = await Promise.all(others.map((other) => ask(other, { do: 'state', tables: [table] })));
    const horizonUs = Math.max(0, ...states.map((state) => state.tables[table]?.horizonUs ?? 0));
    const reading: Reading = { table, mode: 'stamps', hashing: 'record', columns: [], horizonUs, sinceUs: 0 };
    const remove: RejoinOptions['remove'] = (versions) => removeVersions(apply, table, versions);
    return await rejoin({ region, others, ask, reading, remove, ...(onProgress && { onProgress }) });
  } finally {
    await Promise.all([apply, ...connections.values()].map((sql) => sql.end({ timeout: 2 })));
  }
}
