import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sql } from '@concord/runtime';
import postgres from 'postgres';
import { withConnection } from '../../local/region/connection.ts';
import { type Region, startDatabases } from '../../local/region/database.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { dumpCatalogue } from './catalogue-dump.ts';
import { type Pooler, startPooler } from './deployed-pooler.ts';
import { ITEMS } from './under-load.ts';

/** A database that is there already, as users of `database: existing` have it: tables with rows, a master who is no superuser. */
export type DeployedDatabase = Region & {
  readonly databaseName: string;
  readonly admin: { readonly username: string; readonly password: string };
  /** In front of the database where pgbouncer is installed. */
  readonly pooler: Pooler | undefined;
  /** Everything that a deployment could have changed: the catalogue, and all rows of all tables but progress. */
  readonly dump: () => Promise<string>;
  readonly stop: () => Promise<void>;
};

const DATABASE = 'shop';
const ADMIN = 'landlord';
const ROWS = 200;

/** `items` has rows from before; `notes` is enrolled later; `keyless` cannot be. */
const SCHEMA = `${ITEMS}; insert into items select n, 'from before ' || n from generate_series(1, ${ROWS}) n;
  create table notes (id int primary key, body text); insert into notes values (1, 'from before');
  create table keyless (a int); insert into keyless values (1);`;

/** As on RDS: owns the database and everything in it, makes roles, and is no superuser. */
const master = (password: string): string => `
  create role ${ADMIN} login createrole replication password '${password}';
  grant set on parameter session_replication_role to ${ADMIN};
  alter database ${DATABASE} owner to ${ADMIN}; alter schema public owner to ${ADMIN};
  alter table items owner to ${ADMIN}; alter table notes owner to ${ADMIN}; alter table keyless owner to ${ADMIN}`;

/** Nobody gets in without a password but the superuser, who is the test. */
const ACCESS = `host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
`;

export async function startDeployedDatabases(
  names: readonly string[],
  pooled: readonly string[],
): Promise<DeployedDatabase[]> {
  const { template } = await makeTemplate({ database: DATABASE, load: (sql) => sql.unsafe(SCHEMA).simple() });
  const regions = await startDatabases(names, template);
  await template.remove();
  return Promise.all(regions.map((region) => prepared(region, pooled.includes(region.name))));
}

async function prepared(region: Region, isPooled: boolean): Promise<DeployedDatabase> {
  const { cluster, url } = region;
  const password = randomBytes(18).toString('base64url');
  await withConnection(url(), async (sql) => {
    await sql.unsafe(master(password)).simple();
    writeFileSync(join(cluster.dataDir, 'pg_hba.conf'), ACCESS);
    await sql`select pg_reload_conf()`;
  });
  // The postmaster reads the file when it comes to it.
  while (await canConnect(url(ADMIN)));
  const pooler = isPooled ? await startPooler(cluster, DATABASE, 'postgres') : undefined;
  return {
    ...region,
    databaseName: DATABASE,
    admin: { username: ADMIN, password },
    pooler,
    dump: () => withConnection(url(), dump),
    stop: async () => {
      await pooler?.stop();
      await cluster.remove();
    },
  };
}

/** Whether anybody answers, if only with a refusal; for a URL without a password, whether the role gets in without one. */
export async function canConnect(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, fetch_types: false, prepare: false, connect_timeout: 2, password: '' });
  try {
    await sql`select 1`;
    return true;
  } catch (error) {
    const { code = '' } = error as { code?: string };
    return url.includes('//nobody@') && code !== 'ECONNREFUSED';
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Written all the time: by heartbeats and what applies them, by schedules; and when a parked record is tried again. */
const PROGRESS = 'heartbeat beat_fence peer watermark unsettled upkeep conflict_count conflict_total alert alert_cursor'
  .split(' ')
  .map((name) => `concord.${name}`);
const RETRIES = ['attempts', 'retry_at'];

async function dump(sql: Sql): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') order by 1`;
  const lines = await dumpCatalogue(sql);
  for (const { name } of tables.filter((table) => !PROGRESS.includes(table.name))) {
    const rows = await sql.unsafe<{ line: string }[]>(
      `select (to_jsonb(t) - $1::text::text[])::text as line from ${name} t order by 1`,
      [`{${RETRIES.join()}}`],
    );
    lines.push(...rows.map(({ line }) => `${name} ${line}`));
  }
  return lines.join('\n');
}

export const hasPgbouncer = (): boolean => existsSync('/usr/sbin/pgbouncer');
