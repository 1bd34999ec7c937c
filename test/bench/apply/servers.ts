import { type Cluster, startCluster } from '../../../local/postgres/cluster.ts';
import { DURABLE } from '../durable.ts';
import { copyDatabase, createFilled, firstStamp as firstStampOf, withDatabase } from '../users-table.ts';
import type { Contestant } from './contestant.ts';
import type { EventsOptions } from './events.ts';
import { createNative, type NativeOptions } from './native.ts';
import { createOurs, type OursOptions } from './ours.ts';

const SETTINGS = { ...DURABLE, autovacuum: 'off', wal_retrieve_retry_interval: '100ms' };
/** What the target's buffers have for each row of a table with its tombstones and indexes: all of it stays in memory. */
const ROW_BYTES = 700;
const LEAST_BUFFERS_MB = 2048;

/** A table of so many rows, enrolled, of which each contestant gets a copy in a database of its own. */
export type Table = { readonly rows: number; readonly wide?: boolean };

export type Servers = {
  readonly target: Cluster;
  readonly native: (table: Table, options: Omit<NativeOptions, 'rows'>) => Promise<Contestant>;
  readonly ours: (
    table: Table,
    options: Omit<OursOptions, 'events'> & { readonly events: Omit<EventsOptions, 'rows' | 'firstStamp'> },
  ) => Promise<Contestant>;
  /** After all contestants: the tables that they are copies of go, and theirs are read into memory. */
  readonly ready: () => Promise<void>;
  readonly remove: () => Promise<void>;
};

/**
 * The publisher of logical replication and the server that everything is applied on, which waits for the disk. `tableRows`: of all
 * tables that contestants will have there together.
 */
export async function startServers(tableRows: number, say: (line: string) => void): Promise<Servers> {
  const buffersMb = Math.max(LEAST_BUFFERS_MB, Math.ceil((tableRows * ROW_BYTES) / 2 ** 20));
  // The publisher's own commits are not measured.
  const publisher = await startCluster({
    name: 'publisher',
    settings: { ...SETTINGS, fsync: 'off', shared_buffers: '512MB' },
  });
  const target = await startCluster({
    name: 'target',
    settings: { ...SETTINGS, shared_buffers: `${buffersMb}MB` },
  });
  const firstStamp = firstStampOf();
  const filled = new Map<string, Cluster>();
  const databases: string[] = [];
  const copy = async (cluster: Cluster, { rows, wide = false }: Table, database: string): Promise<void> => {
    const from = `${cluster.name}_${rows}${wide ? '_wide' : ''}`;
    if (cluster === target) databases.push(database);
    if (!filled.has(from)) {
      say(`${cluster.name}: filling ${rows.toLocaleString('en-US')} rows`);
      await createFilled(cluster, from, rows, firstStamp, wide);
      filled.set(from, cluster);
    }
    await copyDatabase(cluster, from, database);
  };
  return {
    target,
    async native(table, options) {
      await Promise.all([publisher, target].map((cluster) => copy(cluster, table, options.database)));
      return createNative(publisher, target, { ...options, rows: table.rows });
    },
    async ours(table, options) {
      await copy(target, table, options.database);
      return createOurs(target, { ...options, events: { ...options.events, rows: table.rows, firstStamp } });
    },
    async ready() {
      for (const [database, cluster] of filled)
        await withDatabase(cluster, 'postgres', (sql) => sql.unsafe(`drop database ${database}`));
      for (const database of databases) await readIn(target, database);
    },
    remove: async () => void (await Promise.all([publisher.remove(), target.remove()])),
  };
}

/** Reads the tables and indexes into the server's buffers: a run should not meet the disk for what a larger table has there. */
const readIn = (cluster: Cluster, database: string): Promise<unknown> =>
  withDatabase(cluster, database, async (sql) => {
    await sql.unsafe('create extension pg_prewarm');
    await sql.unsafe(`select pg_prewarm(c.oid) from pg_class c
      where c.relkind in ('r', 'i') and c.oid in (
        select t from unnest(array['users'::regclass, 'concord_public.users']) t
        union all select indexrelid from pg_index where indrelid in ('users'::regclass, 'concord_public.users'::regclass))`);
  });
