import { parseTopology, type TableEntry, type Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { Applier } from '../../functions/apply/applier.ts';
import { type Apply, type ApplyOptions, createApply } from '../../functions/apply/apply.ts';
import { readCatalogue } from '../../functions/apply/catalogue-cache.ts';
import { type Settled, settle } from '../../functions/apply/settle.ts';
import { type EnrollReport, enroll } from '../../functions/enroll/enroll.ts';
import type { Cluster } from '../../local/postgres/cluster.ts';
import { createDatabase, type TestDatabase } from './cluster.ts';
import { kafkaEvent, kafkaRecord, type Message } from './records.ts';
import { type Session, sessionOf } from './sessions.ts';

/** The application's role: all rights on the tables of `public`, none on anything of Concord. */
export const APPLICATION = 'app';

export type TableOption = string | ({ readonly name: string } & Partial<TableEntry>);

export type RegionOptions = {
  /** All regions of the topology, slots 0, 1, …; the first is the hub. */
  readonly names: readonly string[];
  /** Run before enrolling. */
  readonly schema: string;
  /** Names, or whole entries of the topology with their policies. */
  readonly tables: readonly TableOption[];
  /** ms per region, for tables with policy `priority`. */
  readonly priority?: Readonly<Record<string, number>>;
  readonly limits?: Partial<Topology['limits']>;
};

/** One region: a database with the tables enrolled, and its apply function. */
export interface Region {
  readonly name: string;
  readonly topology: Topology;
  readonly database: TestDatabase;
  /** One connection of the superuser that enrolled. */
  readonly sql: Sql;
  /** One connection of `concord_apply`: the one that `apply` uses. */
  readonly applySql: Sql;
  readonly apply: Apply;
  /** Applies one batch of messages of another region as its topic delivers them, and settles. */
  receive(from: string, ...messages: Message[]): Promise<void>;
  /** Only the batch's transaction: nothing is settled or retried after it. */
  receiveOnly(from: string, ...messages: Message[]): Promise<void>;
  /** One settling pass over all tables. */
  settle(): Promise<Settled>;
  /** What the function does after each batch: settles, and tries parked records again that are due. */
  afterBatch(): Promise<void>;
  enroll(): Promise<EnrollReport>;
  /** A session of the application, or of another role. */
  session(user?: string): Session;
  /** A further apply function with a connection of its own. */
  anotherApply(): Apply;
}

/** Throws when the topology does not parse. */
export function topologyOf({ names, tables, priority, limits }: Omit<RegionOptions, 'schema'>): Topology {
  const result = parseTopology({
    version: 1,
    hub: names[0],
    regions: names.map((name, slot) => ({ name, slot })),
    tables: tables.map((table) => (typeof table === 'string' ? { name: table } : table)),
    ...(priority && { priority }),
    ...(limits && { limits }),
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.topology;
}

/** All regions of the topology, enrolled, in one cluster. One after the other: roles belong to the cluster. */
export async function createRegions(cluster: Cluster, options: RegionOptions): Promise<Region[]> {
  const regions: Region[] = [];
  for (const name of options.names) regions.push(await createRegion(cluster, options, name));
  return regions;
}

/** One region; the others of the topology exist by name and may send messages. */
export async function createRegion(
  cluster: Cluster,
  options: RegionOptions,
  name = options.names[0] ?? '',
): Promise<Region> {
  const database = await createDatabase(cluster);
  const sql = database.connect();
  await createApplicationSchema(sql, options.schema);
  const topology = topologyOf(options);
  await enroll(sql, { topology, region: name, greatestIds: {} });
  return regionOf(database, sql, name, topology);
}

/** Runs the schema, and gives its tables to the application. */
export async function createApplicationSchema(sql: Sql, schema: string): Promise<void> {
  const [known] = await sql`select from pg_roles where rolname = ${APPLICATION}`;
  if (known === undefined) await sql.unsafe(`create role ${APPLICATION} login`);
  await sql.unsafe(`grant create on schema public to ${APPLICATION}`);
  await sql.unsafe(schema);
  await sql.unsafe(`grant all on all tables in schema public to ${APPLICATION};
    grant all on all sequences in schema public to ${APPLICATION}`);
}

function regionOf(database: TestDatabase, sql: Sql, name: string, topology: Topology): Region {
  const applySql = database.connect({ user: 'concord_apply' });
  const options: ApplyOptions = { sql: applySql, topology, now: () => Date.now() * 1000, onWarning };
  const apply = createApply(options);
  const recordsFrom = (from: string, messages: readonly Message[]) =>
    messages.map((message) => kafkaRecord(from, message));
  return {
    name,
    topology,
    database,
    sql,
    applySql,
    apply,
    async receive(from, ...messages) {
      await apply(kafkaEvent(recordsFrom(from, messages)));
    },
    async receiveOnly(from, ...messages) {
      const records = recordsFrom(from, messages);
      await applySql`insert into concord.watermark (topic, partition) values (${`cdc.${from}`}, 0) on conflict do nothing`;
      await new Applier(options).apply(records);
    },
    async settle() {
      const { tables } = await readCatalogue(applySql);
      return settle(applySql, tables, [...tables.keys()], topology.limits.lockTimeoutMs);
    },
    afterBatch: () => new Applier(options).afterBatch(),
    enroll: () => enroll(sql, { topology, region: name, greatestIds: {} }),
    session: (user = APPLICATION) => sessionOf(database.connect({ user })),
    anotherApply: () => createApply({ ...options, sql: database.connect({ user: 'concord_apply' }) }),
  };
}

/** What apply only warns of would hide a fault in a test. */
function onWarning(message: string, error: unknown): never {
  throw new Error(message, { cause: error });
}
