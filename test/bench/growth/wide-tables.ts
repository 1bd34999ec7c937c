import { parseTopology, type Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { enroll } from '../../../functions/enroll/enroll.ts';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { firstStamp, HERE, OTHER, SOURCE, withDatabase } from '../users-table.ts';

/** Tables that are alike: a bigint key and text columns. */
export type Shape = {
  readonly tables: number;
  /** Beside the key, and the six that enrolling adds. */
  readonly columns: number;
  /** Characters of each column's text. */
  readonly columnChars: number;
  /** Of each table, before the first change. */
  readonly rows: number;
};

const DIGEST_CHARS = 32;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

export const columnNames = ({ columns }: Shape): string[] => numbers(columns).map((n) => `c${n}`);

/** `public.t7`, counted from 0. */
export const tableName = (index: number): string => `public.t${index}`;

const tableNames = ({ tables }: Shape): string[] => numbers(tables).map((n) => tableName(n - 1));

/** The text of every column of a row, made of what identifies its version: its id and its stamp in µs. */
export const repeated = (digest: string, { columnChars }: Shape): string =>
  digest.repeat(Math.ceil(columnChars / DIGEST_CHARS)).slice(0, columnChars);

const textSql = ({ columnChars }: Shape, id: string, stamp: string): string =>
  `left(repeat(md5(${id} || '/' || ${stamp}), ${Math.ceil(columnChars / DIGEST_CHARS)}), ${columnChars})`;

export function wideTopology(shape: Shape): Topology {
  const regions = [SOURCE, OTHER, HERE].map((name, slot) => ({ name, slot }));
  const tables = tableNames(shape).map((name) => ({ name }));
  const parsed = parseTopology({ version: 1, hub: SOURCE, regions, tables });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ reason }) => reason).join('; '));
  return parsed.topology;
}

/**
 * A database with the enrolled tables, their rows written by the source region a day ago, and half as many tombstones of other
 * rows. Returns the seconds that enrolling took.
 */
export async function createWide(cluster: Cluster, database: string, shape: Shape): Promise<number> {
  await withDatabase(cluster, 'postgres', (sql) => sql.unsafe(`create database ${database}`));
  return withDatabase(cluster, database, async (sql) => {
    const columns = columnNames(shape).map((name) => `${name} text`);
    const tables = tableNames(shape);
    for (const table of tables)
      await sql.unsafe(`create table ${table} (id bigint primary key, ${columns.join(', ')})`);
    const startedAtMs = performance.now();
    await enroll(sql, { topology: wideTopology(shape), region: HERE, greatestIds: {} });
    const enrolledSeconds = (performance.now() - startedAtMs) / 1000;
    await fill(sql, shape, firstStamp());
    return enrolledSeconds;
  });
}

async function fill(sql: Sql, shape: Shape, stamp: number): Promise<void> {
  const names = columnNames(shape);
  const text = textSql(shape, 'i', String(stamp));
  const version = `1, to_timestamp(${stamp} / 1e6), '${SOURCE}', i, '{"${SOURCE}": ${stamp}}', false`;
  // As an applier writes: the triggers, which would stamp the rows as written here, do not fire.
  await sql.unsafe('set session_replication_role = replica');
  for (const table of tableNames(shape)) {
    await sql.unsafe(
      `insert into ${table} (id, ${names.join(', ')}, ${VERSION})
       select i, ${names.map(() => 'text').join(', ')}, ${version}
       from generate_series(1::bigint, ${shape.rows}) i, lateral (select ${text} as text) x`,
    );
    await sql.unsafe(
      `insert into ${table.replace('public', 'concord_public')} (id, image, ${VERSION})
       select -i, null, ${version} from generate_series(2::bigint, ${shape.rows}, 2) i`,
    );
  }
  await sql.unsafe('vacuum (analyze, freeze)');
}

const VERSION = '_version, _last_updated, _source_region, _tx_id, _version_vector, _local';

/** Dead rows gone and a checkpoint just done: both would otherwise hit one run and not the next. */
export async function tidy(sql: Sql): Promise<void> {
  await sql.unsafe('vacuum');
  await sql.unsafe('checkpoint');
}

/** How many rows have a stamp of at least `stamp` µs, and in every column the text of their version. */
export async function countWritten(sql: Sql, shape: Shape, stamp: number): Promise<number> {
  const text = textSql(shape, 'id', '(extract(epoch from _last_updated) * 1000000)::int8');
  const isWhole = columnNames(shape).map((name) => `${name} = text`);
  const counts = tableNames(shape).map(
    (table) => `select count(*) from ${table}, lateral (select ${text} as text) x
      where _last_updated >= to_timestamp(${stamp} / 1e6) and ${isWhole.join(' and ')}`,
  );
  const [row] = await sql.unsafe<{ written: number }[]>(
    `select sum(count)::float8 as written from (${counts.join(' union all ')}) c`,
  );
  return row?.written ?? 0;
}
