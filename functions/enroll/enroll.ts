import { bonusMs, heartbeatIds, isLattice, type TableEntry, type Topology } from '@concord/events';
import { arrayLiteral, type Db, readTables, rowsOf, type Sql, type Table, type TransactionSql } from '@concord/runtime';
import { addNeededColumns, addStampColumns, createTombstoneTable } from './columns.ts';
import { grant } from './grant.ts';
import { migrate } from './migrate.ts';
import { giveToOwner } from './owner.ts';
import { type Decided, decideRule, type Pending, storedRule } from './policy.ts';
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
import { functionStatements, triggerStatements } from './triggers/install.ts';
import { readIntervalColumns } from './triggers/intervals.ts';
import type { Here, Rule } from './triggers/spec.ts';
import { readClaimedColumns } from './triggers/unique.ts';

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
  /** Tables that keep their former policy until other regions are ready for the new one; enrolling again then takes it over. */
  readonly pending: readonly Pending[];
};

type Former = {
  readonly identities: FormerIdentities;
  readonly sequences: FormerIncrements;
};
type Known = Former & { readonly options: Partial<Rule> };

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
  const pending: Pending[] = [];
  for (const entry of options.topology.tables) {
    const { isNew, waitsFor } = await sql
      .begin((tx) => enrollTable(tx, entry, options))
      .catch((error) => Promise.reject(explained(entry.name, error)));
    (isNew ? enrolled : unchanged).push(entry.name);
    if (waitsFor.length > 0) pending.push({ table: entry.name, waitsFor });
  }
  return { migrations, enrolled, unchanged, pending };
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
  // A change that was rolled back has raised the sequence alone.
  await sql`update concord.region set suspended = suspended where version <> (select last_value from concord.region_version)`;
}

/** Null while the region takes no writes. A change that has not committed has raised the sequence: triggers made from the row of before read it. */
async function readHere(db: Db): Promise<Here | null> {
  const [row] = await db.unsafe<Here[]>(
    `select source_region as region, version::text,
       case when isfinite(floor) then to_char(floor at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"') else floor::text end as floor
     from concord.region where suspended is null`,
  );
  return row ?? null;
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

type Enrolled = { readonly isNew: boolean; readonly waitsFor: readonly string[] };

async function enrollTable(tx: TransactionSql, entry: TableEntry, options: EnrollOptions): Promise<Enrolled> {
  await tx.unsafe(`set local lock_timeout = ${options.lockTimeoutMs ?? LOCK_TIMEOUT_MS}`);
  const { name } = entry;
  const table = await tableNamed(tx, name);
  const partitions = await readPartitions(tx, table);
  const [known] = await tx<Known[]>`
    select former_identities as identities, former_sequences as sequences, options from concord.enrolled_table where table_name = ${name}`;
  if (known === undefined) await addToTable(tx, table);
  else await alignTombstoneKey(tx, table);
  const former = known && storedRule(known.options);
  const decided = await decideRule(tx, entry, former, options.topology);
  await addNeededColumns(tx, table, isLattice(decided.wanted) || isLattice(decided.rule));
  const sequences = await interleaveSequences(tx, table, known?.sequences ?? {}, options);
  const identities = await makeIdentityFull(tx, rowsOf(table), known?.identities ?? {});
  await remember(tx, entry, decided, { identities, sequences });
  await makeTriggers(tx, name, decided.rule, partitions, options);
  return { isNew: known === undefined, waitsFor: decided.waitsFor };
}

async function makeTriggers(
  tx: TransactionSql,
  name: string,
  rule: Rule,
  partitions: readonly string[],
  { topology, region }: EnrollOptions,
): Promise<void> {
  const table = await tableNamed(tx, name);
  const intervals = await readIntervalColumns(tx, table);
  const claimed = await readClaimedColumns(tx, table);
  const columnCount = await readColumnCount(tx, table);
  const here = await readHere(tx);
  const bonus = bonusMs(topology, rule, region);
  for (const statement of [
    ...functionStatements({ table, rule, bonusMs: bonus, intervals, columnCount, claimed, here }),
    ...triggerStatements(table, partitions),
  ])
    await tx.unsafe(statement);
  await giveToOwner(tx, table);
  await grant(tx, table);
  await publish(tx, table);
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
    [rowsOf(table)],
  );
  return rows.map(({ name }) => name);
}

/** Those that were dropped count as well. */
async function readColumnCount(db: Db, table: Table): Promise<number> {
  const [row] = await db.unsafe<{ count: number }[]>(
    'select relnatts::int as count from pg_class where oid = $1::text::regclass',
    [rowsOf(table)],
  );
  return row?.count ?? 0;
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

/**
 * The rule in force, the one that waits, and what un-enrolling has to give back. Operators change the rollout, so it is the
 * topology's only at first.
 */
async function remember(
  tx: TransactionSql,
  { name, review, rollout }: TableEntry,
  { rule, wanted, waitsFor }: Decided,
  former: Former,
): Promise<void> {
  const pending = waitsFor.length === 0 ? null : JSON.stringify({ ...wanted, waitsFor });
  await tx.unsafe(
    `insert into concord.enrolled_table as e (table_name, policy, former_identities, former_sequences, options, pending, review, rollout)
     values ($1::text, $2::text, $3::text::jsonb, $4::text::jsonb, $5::text::jsonb, $6::text::jsonb, $7::text, $8::text)
     on conflict (table_name) do update set policy = excluded.policy, former_identities = excluded.former_identities,
       former_sequences = excluded.former_sequences, options = excluded.options, pending = excluded.pending, review = excluded.review
     where (e.policy, e.former_identities, e.former_sequences, e.options, e.pending, e.review) is distinct from
       (excluded.policy, excluded.former_identities, excluded.former_sequences, excluded.options, excluded.pending, excluded.review)`,
    [
      name,
      rule.policy,
      JSON.stringify(former.identities),
      JSON.stringify(former.sequences),
      JSON.stringify(rule),
      pending,
      review,
      rollout,
    ],
  );
}
