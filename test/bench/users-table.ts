import { parseTopology, type Topology } from '@concord/events';
import { connect, type Sql } from '@concord/runtime';
import { enroll } from '../../functions/enroll/enroll.ts';
import type { Cluster } from '../../local/postgres/cluster.ts';

/** The region that the measured database is, and where the rows and changes come from. */
export const HERE = 'ap-south-1';
export const SOURCE = 'us-east-1';
export const OTHER = 'eu-west-1';

export const TABLE = 'public.users';

/** 12 columns of an application; with the six that enrolling adds a row is about 290 bytes. */
export const createTable = (name: string): string => /* sql */ `
create table ${name} (
  id bigint primary key, tenant_id uuid not null, email text, name text, status text, qty int, price numeric(12, 2),
  payload jsonb, active boolean, note text, born date, created_at timestamptz)`;

/** Values of the application's columns of row `i`, from its id and a `round` that changes them. */
export const values = (i: string, round: string): string => /* sql */ `
  md5(${i}::text)::uuid, 'user' || ${i} || '@example.com', 'Name ' || md5((${i} * 7 + ${round})::text),
  (array['new', 'paid', 'shipped', 'closed'])[1 + ${i} % 4], ((${i} + ${round}) % 1000)::int, (${i} % 100000) / 100.0,
  jsonb_build_object('k', ${i} % 97, 's', md5((${i} * 3 + ${round})::text)), ${i} % 2 = 0,
  case when ${i} % 3 <> 0 then 'note ' || ${i} end, date '1990-01-01' + (${i} % 9000)::int,
  timestamptz '2024-01-01 00:00:00+00' + (${i} % 1000000) * interval '1 second'`;

/** Different texts of 4 kB and 20 kB that PostgreSQL cannot compress, so that a row has them out of line. */
export const BODIES = 100;

/** Which of them row `i` has, from its id and a `round` that changes it: 1 … BODIES. */
export const bodyOf = (i: string, round: string): string => `1 + (${i} * 7 + ${round}) % ${BODIES}`;
export const firstBody = (id: number): number => 1 + ((id * 7) % BODIES);

const CREATE_BODIES = /* sql */ `
create table bodies (n int primary key, small text not null, large text not null);
insert into bodies select n, left(body, 4096), left(body, 20480) from generate_series(1, ${BODIES}) n, lateral (
  select string_agg(translate(encode(sha512((n || '-' || part)::bytea), 'base64'), e'\\n=', ''), '') as body
  from generate_series(1, 250) part) b;
alter table users add column small text, add column large text;`;

/** Which of the two source regions wrote row `i` first. */
export const firstRegion = (id: number): string => (id % 2 === 0 ? OTHER : SOURCE);

/** When: a day ago, the same for all rows, in whole seconds. µs since 1970. */
export const firstStamp = (): number => Math.floor(Date.now() / 1000 - 86_400) * 1e6;

export function benchTopology(): Topology {
  const regions = [SOURCE, OTHER, HERE].map((name, slot) => ({ name, slot }));
  const parsed = parseTopology({ version: 1, hub: SOURCE, regions, tables: [{ name: TABLE }] });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ reason }) => reason).join('; '));
  return parsed.topology;
}

/** Runs `use` with one connection as superuser. */
export async function withDatabase<T>(cluster: Cluster, database: string, use: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = connect({ url: cluster.url(database) });
  try {
    return await use(sql);
  } finally {
    await sql.end();
  }
}

/**
 * Creates a database with the enrolled table and `rows` rows that two other regions wrote at `stamp` µs, and half as many
 * tombstones of other rows: an empty tombstone table would be looked up for nothing. `wide` rows have two texts out of line.
 */
export async function createFilled(
  cluster: Cluster,
  database: string,
  rows: number,
  stamp: number,
  wide = false,
): Promise<void> {
  await withDatabase(cluster, 'postgres', (sql) => sql.unsafe(`create database ${database}`));
  await withDatabase(cluster, database, async (sql) => {
    await sql.unsafe(createTable('users'));
    if (wide) await sql.unsafe(CREATE_BODIES);
    await enroll(sql, { topology: benchTopology(), region: HERE, greatestIds: {} });
    await sql.unsafe('create table marker (id int primary key, value int not null)');
    await sql.unsafe('insert into marker values (1, 0), (2, 0)');
    // As an applier writes: the triggers, which would stamp the rows as written here, do not fire.
    await sql.unsafe('set session_replication_role = replica');
    await sql.unsafe(
      `insert into users select i, ${values('i', '0')}${wide ? ', small, large' : ''}, 1, to_timestamp($2::float8 / 1e6), region, i, jsonb_build_object(region, $2::float8::int8), false
       from generate_series(1::bigint, $1::int) i cross join lateral (select case when i % 2 = 0 then '${OTHER}' else '${SOURCE}' end as region) r
       ${wide ? `join bodies on n = ${bodyOf('i', '0')}` : ''}`,
      [rows, stamp],
    );
    await sql.unsafe(
      `insert into concord_public.users (id, image, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
       select -id, null, _version, _last_updated, _source_region, _tx_id, _version_vector, false from users where id % 2 = 0`,
    );
    await sql.unsafe('vacuum (analyze, freeze) users, concord_public.users');
  });
}

/** Copies a database that nobody is connected to. */
export const copyDatabase = (cluster: Cluster, from: string, to: string): Promise<unknown> =>
  withDatabase(cluster, 'postgres', (sql) => sql.unsafe(`create database ${to} template ${from}`));
