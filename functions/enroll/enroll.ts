import { heartbeatIds, type Topology } from '@concord/events';
import { arrayLiteral, type Db, ident, readTables, type Sql, type Table, type TransactionSql } from '@concord/runtime';
import { addStampColumns, createTombstoneTable } from './columns.ts';
import { migrate } from './migrate.ts';
import { rowTable, schemaOf, tombstoneTable } from './names.ts';
import { giveToOwner } from './owner.ts';
import { mendPublication, publish } from './publish.ts';
import { type FormerIdentities, makeIdentityFull } from './replica-identity.ts';
import {
  type FormerIncrements,
  type GreatestIds,
  interleaveStatement,
  readFormerIncrements,
  readLastIssued,
  readSerialColumns,
  serialName,
} from './sequences.ts';
import { alignTombstoneKey } from './tombstone-key.ts';
import { buryFunction, checkFunction, readIntervalColumns, stampFunction, triggerStatements } from './triggers.ts';

export type EnrollOptions = {
  readonly topology: Topology;
  readonly region: string;
  /** The greatest ids of all regions (`readGreatestIds`, merged): this region's sequences start above them. */
  readonly greatestIds: GreatestIds;
  /** How long a table lock is waited for, so that enrolling never queues the application behind an idle transaction. */
  readonly lockTimeoutMs?: number;
};

export type EnrollReport = {
  readonly migrations: readonly string[];
  readonly enrolled: readonly string[];
  readonly unchanged: readonly string[];
};

type Former = { readonly identities: FormerIdentities; readonly sequences: FormerIncrements };

/**
 * Brings a region's database into the topology: `concord` schema, region, roles, and every table of the topology with its
 * columns, tombstone table, triggers, publication and sequences. Can be run again at any time and then only adds what is
 * missing. Run `preflight` first: what cannot work throws PostgreSQL's own error here.
 */
export async function enroll(sql: Sql, options: EnrollOptions): Promise<EnrollReport> {
  const migrations = await migrate(sql);
  await setRegion(sql, options.region);
  await setHeartbeats(sql, options.topology);
  await mendPublication(sql, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS);
  const enrolled: string[] = [];
  const unchanged: string[] = [];
  for (const entry of options.topology.tables) {
    const isNew = await sql
      .begin((tx) => enrollTable(tx, entry.name, entry.policy, options))
      .catch((error) => Promise.reject(explained(entry.name, error)));
    (isNew ? enrolled : unchanged).push(entry.name);
  }
  return { migrations, enrolled, unchanged };
}

const LOCK_TIMEOUT_MS = 5000;
const LOCK_NOT_AVAILABLE = '55P03';

/** Which table an error is about, and what to do about a lock. */
function explained(name: string, error: Error & { code?: string }): Error {
  const hint = ': a transaction holds it, see pg_stat_activity; what came before stays enrolled, run it again';
  return new Error(`${name}: ${error.message}${error.code === LOCK_NOT_AVAILABLE ? hint : ''}`, { cause: error });
}

async function setRegion(sql: Sql, region: string): Promise<void> {
  const [known] = await sql<{ name: string }[]>`select name from concord.region`;
  if (known === undefined) await sql`insert into concord.region (name) values (${region})`;
  else if (known.name !== region)
    throw new Error(`this database is region '${known.name}', not '${region}'; a region's name never changes`);
}

/** One heartbeat row per partition of the region's topic. */
async function setHeartbeats(sql: Sql, { topics }: Topology): Promise<void> {
  const ids = heartbeatIds(topics.partitions);
  await sql.begin(async (tx) => {
    await tx`delete from concord.heartbeat where (id, partition) not in (
      select id, n - 1 from unnest(${arrayLiteral(ids.map(String))}::text::int8[]) with ordinality as h (id, n))`;
    await tx`insert into concord.heartbeat (id, partition)
      select id, n - 1 from unnest(${arrayLiteral(ids.map(String))}::text::int8[]) with ordinality as h (id, n)
      on conflict do nothing`;
  });
}

async function tableNamed(db: Db, name: string): Promise<Table> {
  const table = (await readTables(db, [name])).get(name);
  if (table === undefined) throw new Error(`table ${name} does not exist in this database`);
  return table;
}

async function enrollTable(tx: TransactionSql, name: string, policy: string, options: EnrollOptions): Promise<boolean> {
  await tx.unsafe(`set local lock_timeout = ${options.lockTimeoutMs ?? LOCK_TIMEOUT_MS}`);
  const table = await tableNamed(tx, name);
  const partitions = await readPartitions(tx, table);
  const [known] = await tx<Former[]>`
    select former_identities as identities, former_sequences as sequences from concord.enrolled_table where table_name = ${name}`;
  if (known === undefined) await addToTable(tx, table);
  else await alignTombstoneKey(tx, table);
  const sequences = await interleaveSequences(tx, table, known?.sequences ?? {}, options);
  const identities = await makeIdentityFull(tx, rowTable(table), known?.identities ?? {});
  await remember(tx, name, policy, { identities, sequences });
  const stamped = await tableNamed(tx, name);
  for (const statement of [
    stampFunction(stamped, await readIntervalColumns(tx, stamped)),
    buryFunction(stamped),
    checkFunction(stamped),
    ...triggerStatements(stamped, partitions),
  ])
    await tx.unsafe(statement);
  await giveToOwner(tx, stamped);
  await grant(tx, stamped);
  await publish(tx, stamped);
  return known === undefined;
}

async function addToTable(tx: TransactionSql, table: Table): Promise<void> {
  await tx.unsafe(addStampColumns(table));
  for (const statement of createTombstoneTable(table)) await tx.unsafe(statement);
}

/** Leaf and inner partitions, quoted; empty for an ordinary table. */
async function readPartitions(db: Db, table: Table): Promise<string[]> {
  if (!table.partitioned) return [];
  const rows = await db.unsafe<{ name: string }[]>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_partition_tree($1::text::regclass) p
       join pg_class c on c.oid = p.relid join pg_namespace n on n.oid = c.relnamespace where p.level > 0`,
    [rowTable(table)],
  );
  return rows.map(({ name }) => name);
}

/** Returns the increments that the sequences had before, those of columns that came since added. */
async function interleaveSequences(
  tx: TransactionSql,
  table: Table,
  former: FormerIncrements,
  options: EnrollOptions,
): Promise<FormerIncrements> {
  const { regions, limits } = options.topology;
  const slot = regions.find((region) => region.name === options.region)?.slot;
  if (slot === undefined) throw new Error(`region '${options.region}' is not in the topology`);
  const fresh = (await readSerialColumns(tx, [table.name])).filter((serial) => !(serial.sequence in former));
  const known = await readFormerIncrements(tx);
  for (const serial of fresh) {
    // The lock comes first: an id that is handed out after it was read could be handed out again.
    await tx.unsafe(`alter sequence ${serial.sequence} increment by ${limits.maxRegions}`);
    const [here, elsewhere] = [
      await readLastIssued(tx, serial.sequence),
      options.greatestIds[serialName(serial)] ?? 0n,
    ];
    const greatest = elsewhere > here ? elsewhere : here;
    await tx.unsafe(interleaveStatement(serial, greatest, slot, limits.maxRegions));
  }
  const increments = fresh.map(({ sequence, increment }) => [sequence, known[sequence] ?? increment]);
  return { ...former, ...Object.fromEntries(increments) };
}

/** What un-enrolling has to give back. */
async function remember(tx: TransactionSql, name: string, policy: string, former: Former): Promise<void> {
  await tx.unsafe(
    `insert into concord.enrolled_table as e (table_name, policy, former_identities, former_sequences)
     values ($1::text, $2::text, $3::text::jsonb, $4::text::jsonb)
     on conflict (table_name) do update set policy = excluded.policy, former_identities = excluded.former_identities,
       former_sequences = excluded.former_sequences
     where (e.policy, e.former_identities, e.former_sequences) is distinct from
       (excluded.policy, excluded.former_identities, excluded.former_sequences)`,
    [name, policy, JSON.stringify(former.identities), JSON.stringify(former.sequences)],
  );
}

/** Least privilege: apply writes rows and tombstones, capture reads them (Debezium wants to), nobody truncates. */
async function grant(tx: TransactionSql, table: Table): Promise<void> {
  const [rows, tombstones] = [rowTable(table), tombstoneTable(table)];
  await tx.unsafe(`grant usage on schema ${ident(table.schema)}, ${schemaOf(table)} to concord_apply, concord_capture`);
  for (const schema of await readTypeSchemas(tx, table))
    await tx.unsafe(`grant usage on schema ${ident(schema)} to concord_apply, concord_capture`);
  await tx.unsafe(`grant select, insert, update, delete on ${rows}, ${tombstones} to concord_apply`);
  await tx.unsafe(`grant select on ${rows}, ${tombstones} to concord_capture`);
  await tx.unsafe(`revoke truncate on ${rows} from concord_apply`);
  const [security] = await tx.unsafe<{ on: boolean; policy: boolean }[]>(
    `select relrowsecurity as "on", exists (select from pg_policy where polrelid = c.oid and polname = 'concord_apply') as policy
     from pg_class c where oid = $1::text::regclass`,
    [rows],
  );
  if (security?.on === true && !security.policy)
    await tx.unsafe(`create policy concord_apply on ${rows} to concord_apply using (true) with check (true)`);
}

/** Schemas of the columns' own types (enums, domains, extensions), which casts name. */
async function readTypeSchemas(db: Db, table: Table): Promise<string[]> {
  const rows = await db.unsafe<{ name: string }[]>(
    `select distinct n.nspname as name from pg_attribute a join pg_type t on t.oid = a.atttypid
       join pg_namespace n on n.oid = t.typnamespace
     where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped and n.nspname <> 'pg_catalog'`,
    [rowTable(table)],
  );
  return rows.map(({ name }) => name);
}
