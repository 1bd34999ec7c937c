import type { Sql } from '@concord/runtime';
import type { PostgresVersion } from '../postgres/binaries.ts';
import { startCluster } from '../postgres/cluster.ts';
import { withConnection } from './connection.ts';
import { SETTINGS } from './settings.ts';

/** A stopped cluster whose database holds the schema: every region begins as a copy of it. */
export type Template = {
  readonly version: PostgresVersion;
  readonly dataDir: string;
  readonly database: string;
  /** Deletes it; the copies stay. */
  readonly remove: () => Promise<void>;
};

export type TemplateOptions<T> = {
  readonly database: string;
  /** Fills the database, connected as `postgres` in a session of its own. */
  readonly load: (sql: Sql) => Promise<T>;
  readonly version?: PostgresVersion;
};

/**
 * Loads a schema once. Copies of one data directory are equal to the byte, so rows that come with the schema are the same
 * version in every region even where their defaults are volatile. Rejects as `load` does.
 */
export async function makeTemplate<T>({
  database,
  load,
  version = '18',
}: TemplateOptions<T>): Promise<{ template: Template; loaded: T }> {
  const cluster = await startCluster({ version, name: 'template', template: null, settings: SETTINGS });
  try {
    await withConnection(cluster.url(), (sql) => sql`create database ${sql(database)}`);
    const loaded = await withConnection(cluster.url(database), load);
    await cluster.stop();
    return { template: { version, dataDir: cluster.dataDir, database, remove: cluster.remove }, loaded };
  } catch (error) {
    await cluster.remove();
    throw error;
  }
}
