import { parseTopology, type Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { enroll } from '../../../functions/enroll/enroll.ts';
import { createTable, HERE, OTHER, SOURCE, values } from '../users-table.ts';

/** A schema with the same tables as all others; `rule` is what its tables are enrolled with, none where they are not. */
export type Variant = {
  readonly schema: string;
  readonly rule: Readonly<Record<string, unknown>> | null;
  /** Has a secondary unique key. */
  readonly unique?: boolean;
  /** Its rows do not change in the pairs of one-row transactions, only in bulk. */
  readonly bulkOnly?: boolean;
};

export const PLAIN: Variant = { schema: 'plain', rule: null };
export const ENROLLED: Variant = { schema: 'lww', rule: {} };
export const VARIANTS: readonly Variant[] = [
  PLAIN,
  ENROLLED,
  { schema: 'priority', rule: { policy: 'priority' }, bulkOnly: true },
  { schema: 'plain_unique', rule: null, unique: true, bulkOnly: true },
  { schema: 'lww_unique', rule: {}, unique: true, bulkOnly: true },
  { schema: 'counter', rule: { counters: ['qty'] }, bulkOnly: true },
  { schema: 'merge', rule: { policy: 'merge' }, bulkOnly: true },
  { schema: 'merge_counter', rule: { policy: 'merge', counters: ['qty'] }, bulkOnly: true },
];

/** As many as clients at most: a row of `branches` is updated by each transaction. */
export const BRANCHES = 8;
export const TELLERS = 10 * BRANCHES;

const USERS = ['users'] as const;
/** As pgbench makes them; its history has no primary key, which replication needs. */
const TPCB = ['branches', 'tellers', 'accounts', 'history'] as const;

const createTpcb = (schema: string): string => /* sql */ `
create table ${schema}.branches (bid int primary key, bbalance int not null, filler char(88));
create table ${schema}.tellers (tid int primary key, bid int not null, tbalance int not null, filler char(84));
create table ${schema}.accounts (aid int primary key, bid int not null, abalance int not null, filler char(84));
create table ${schema}.history (hid bigint primary key, tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))`;

const fillTpcb = (schema: string, rows: number): string => /* sql */ `
insert into ${schema}.branches select i, 0, '' from generate_series(1, ${BRANCHES}) i;
insert into ${schema}.tellers select i, 1 + i % ${BRANCHES}, 0, '' from generate_series(1, ${TELLERS}) i;
insert into ${schema}.accounts select i, 1 + i % ${BRANCHES}, 0, '' from generate_series(1, ${rows}) i`;

const tablesOf = ({ bulkOnly }: Variant): readonly string[] => (bulkOnly ? USERS : [...USERS, ...TPCB]);

function topology(): Topology {
  const regions = [SOURCE, OTHER, HERE].map((name, slot) => ({ name, slot }));
  const tables = VARIANTS.flatMap((variant) =>
    variant.rule === null
      ? []
      : tablesOf(variant).map((name) => ({ name: `${variant.schema}.${name}`, ...variant.rule })),
  );
  const parsed = parseTopology({ version: 1, hub: SOURCE, priority: { [HERE]: 5000 }, regions, tables });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ path, reason }) => `${path}: ${reason}`).join('; '));
  return parsed.topology;
}

/**
 * The same tables in a schema per variant, enrolled while empty, and filled by the application: `rows` users and accounts. A heartbeat is
 * announced, and tombstones of other keys exist: what is empty would be read for nothing.
 */
export async function createTables(sql: Sql, rows: number): Promise<void> {
  for (const { schema, unique, bulkOnly } of VARIANTS) {
    await sql.unsafe(`create schema ${schema}`);
    await sql.unsafe(createTable(`${schema}.users`));
    if (unique) await sql.unsafe(`create unique index on ${schema}.users (email)`);
    if (!bulkOnly) await sql.unsafe(createTpcb(schema)).simple();
  }
  await enroll(sql, { topology: topology(), region: HERE, greatestIds: {} });
  await sql.unsafe('select concord.beat()');
  for (const variant of VARIANTS) await fill(sql, variant, rows);
  await sql.unsafe('vacuum (analyze, freeze)');
  await sql.unsafe('checkpoint');
}

async function fill(sql: Sql, { schema, rule, bulkOnly }: Variant, rows: number): Promise<void> {
  const buried = 1000;
  await sql.unsafe(insertUsers(schema, -buried, -1));
  await sql.unsafe(`delete from ${schema}.users`);
  await sql.unsafe(insertUsers(schema, 1, rows));
  if (!bulkOnly) await sql.unsafe(fillTpcb(schema, rows)).simple();
  if (rule === null || bulkOnly) return;
  await sql.unsafe(
    `insert into ${schema}.history select -i, 1, 1, 1, 0, now(), '' from generate_series(1, ${buried}) i`,
  );
  await sql.unsafe(`delete from ${schema}.history`);
}

/** Rows `first` to `last`, in one statement. */
export const insertUsers = (schema: string, first: number, last: number): string =>
  `insert into ${schema}.users select i, ${values('i', '0')} from generate_series(${first}::bigint, ${last}::bigint) i`;
