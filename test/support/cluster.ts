import { after } from 'node:test';
import postgres from 'postgres';
import type { PostgresVersion } from '../../local/postgres/binaries.ts';
import { type Cluster, startCluster } from '../../local/postgres/cluster.ts';
import { isPooled, poolerOf, stopPooler } from './pooled.ts';

/** An empty database for one test or one file. */
export interface TestDatabase {
  readonly name: string;
  readonly cluster: Cluster;
  url(user?: string): string;
  /** A new client, by default one connection as `postgres`; closed with the database or the cluster. */
  connect(options?: postgres.Options<Record<string, postgres.PostgresType>>): postgres.Sql;
  /** Closes all clients. `useCluster` does it at the end; needed only for clusters started otherwise. */
  close(): Promise<void>;
}

interface SharedCluster {
  users: number;
  starting: Promise<Cluster> | null;
}

const shared = new Map<PostgresVersion, SharedCluster>();
const databases = new Map<Cluster, TestDatabase[]>();
let databaseCount = 0;

/**
 * A cluster for the tests of this file. Call it at the top of the file or of a `describe`, never inside a test or a
 * hook: it registers the `after` that stops the cluster. Returns the function that starts it, at its first call; all
 * users of one version in the process share one cluster.
 */
export function useCluster(version: PostgresVersion = '18'): () => Promise<Cluster> {
  const slot = shared.get(version) ?? { users: 0, starting: null };
  shared.set(version, slot);
  slot.users += 1;
  after(() => release(slot));
  return () => {
    slot.starting ??= startCluster({ version, name: `test-${version}`, template: null });
    return slot.starting;
  };
}

async function release(slot: SharedCluster): Promise<void> {
  slot.users -= 1;
  const starting = slot.starting;
  if (slot.users > 0 || starting === null) return;
  slot.starting = null;
  const cluster = await starting;
  await Promise.all((databases.get(cluster) ?? []).map((database) => database.close()));
  databases.delete(cluster);
  await stopPooler(cluster);
  await cluster.remove();
}

/** Creates an empty database; without a name, `test_1`, `test_2`, … */
export async function createDatabase(cluster: Cluster, name = `test_${++databaseCount}`): Promise<TestDatabase> {
  const admin = clientOf(cluster, 'postgres');
  try {
    await admin`create database ${admin(name)}`;
  } finally {
    await admin.end();
  }
  const database = databaseOf(cluster, name, isPooled ? (await poolerOf(cluster)).port : cluster.port);
  databases.set(cluster, [...(databases.get(cluster) ?? []), database]);
  return database;
}

/** `concord_apply` comes in over a port of its own, that of a pooler where there is one. */
function databaseOf(cluster: Cluster, name: string, applyPort: number): TestDatabase {
  const clients: postgres.Sql[] = [];
  const portOf = (user: string | undefined): number => (user === 'concord_apply' ? applyPort : cluster.port);
  return {
    name,
    cluster,
    url: (user) => cluster.url(name, user).replace(`:${cluster.port}/`, `:${portOf(user)}/`),
    connect(options) {
      const { host } = cluster;
      const client = clientOf({ host, port: portOf(options?.user) }, name, options);
      clients.push(client);
      return client;
    },
    async close() {
      // One second for a query under way; a test that failed may have left one waiting for a lock.
      await Promise.all(clients.splice(0).map((client) => client.end({ timeout: 1 })));
    },
  };
}

function clientOf(
  { host, port }: Pick<Cluster, 'host' | 'port'>,
  database: string,
  options: postgres.Options<Record<string, postgres.PostgresType>> = {},
): postgres.Sql {
  const defaults = { user: 'postgres', max: 1, prepare: false, fetch_types: false, onnotice: () => {} };
  return postgres({ ...defaults, ...options, host, port, database });
}
