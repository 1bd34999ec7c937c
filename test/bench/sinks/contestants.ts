import type { Cluster } from '../../../local/postgres/cluster.ts';
import type { Contestant } from '../apply/contestant.ts';
import type { Changes } from '../apply/native.ts';
import { createOurs } from '../apply/ours.ts';
import { copyDatabase } from '../users-table.ts';
import { createBucardo } from './bucardo.ts';
import type { Debian } from './debian.ts';
import { createJdbcSink, type JdbcPlace } from './jdbc-sink.ts';
import { createPglogical } from './pglogical.ts';
import { copyPlain } from './plain-table.ts';

export type Servers = { readonly publisher: Cluster; readonly target: Cluster };

/** By the names of their figures: each has copies of the database `filled` for itself. */
export type Contestants = Readonly<Record<string, Contestant>>;

/** Concord's apply with both kinds of statements. */
export async function ours(
  { target }: Servers,
  { rows, changes }: Changes,
  firstStamp: number,
): Promise<{ readonly ours: Contestant; readonly oursPrepared: Contestant }> {
  const create = async (database: string, name: string, prepare: boolean): Promise<Contestant> => {
    await copyDatabase(target, 'filled', database);
    return createOurs(target, { name, database, prepare, events: { rows, firstStamp, changes, conflicts: false } });
  };
  return {
    ours: await create('ours', 'Concord, unnamed statements', false),
    oursPrepared: await create('ours_prepared', 'Concord, prepared statements', true),
  };
}

/** With its defaults, and without conflict checks, which alone lets it insert many rows at once. */
export async function pglogical(servers: Servers, { hasPglogical }: Debian, changes: Changes): Promise<Contestants> {
  if (!hasPglogical) return {};
  const { publisher, target } = servers;
  const create = async (database: string, name: string, conflictResolution: 'apply_remote' | 'error') => {
    await bothPlain(servers, database);
    return createPglogical(publisher, target, { name, database, changes, conflictResolution });
  };
  return {
    pglogical: await create('pglogical', 'pglogical, 1000-row transactions', 'apply_remote'),
    pglogicalBatch: await create('pglogical_batch', 'the same, batches and no conflict checks', 'error'),
  };
}

export async function bucardo(servers: Servers, { hasBucardo }: Debian, changes: Changes): Promise<Contestants> {
  if (!hasBucardo) return {};
  const [name, database] = ['Bucardo, one run of its sync', 'bucardo_plain'];
  await bothPlain(servers, database);
  return { bucardo: await createBucardo(servers.publisher, servers.target, { name, database, changes }) };
}

/** Its two ways of writing many rows at once; by default it executes a statement per row. */
export async function jdbcSinks(
  servers: Servers,
  place: JdbcPlace | undefined,
  changes: Changes,
): Promise<Contestants> {
  if (place === undefined) return {};
  const { publisher, target } = servers;
  const create = async (database: string, name: string, isUnnest: boolean) => {
    await bothPlain(servers, database);
    const writing = { 'dialect.postgres.unnest.insert.enabled': String(isUnnest) };
    const parameters = isUnnest ? '' : 'reWriteBatchedInserts=true';
    return createJdbcSink(place, publisher, target, { name, database, changes, writing, parameters });
  };
  return {
    jdbcUnnest: await create('jdbc_unnest', 'Debezium JDBC sink 3.6, arrays (unnest)', true),
    jdbcBatch: await create('jdbc_batch', 'Debezium JDBC sink 3.6, rewritten batches', false),
  };
}

const bothPlain = ({ publisher, target }: Servers, database: string): Promise<unknown> =>
  Promise.all([publisher, target].map((cluster) => copyPlain(cluster, 'filled', database)));
