import { tombstoneSchema } from '@concord/events';
import { type Db, ident, type Sql, splitTable, tombstonesOf } from '@concord/runtime';
import type { Named } from './names.ts';
import {
  filterOf,
  nameOf,
  type Publication,
  type PublishedTable,
  publishedNames,
  readEnrolled,
  readPublication,
} from './publication.ts';
import { makeIdentityFull } from './replica-identity.ts';

/** Raw deletes are never applied: tombstones travel as rows. Partitions are published as their root. */
const OPTIONS = `publish = 'insert, update', publish_via_partition_root = true`;
/** PostgreSQL 18 refuses updates under REPLICA IDENTITY FULL where a stored generated column is not published. */
const OPTIONS_18 = `${OPTIONS}, publish_generated_columns = stored`;

/**
 * Makes the publication what the migrations made it, whoever altered it meanwhile, and publishes the tables that are enrolled
 * already. One transaction: a change that commits before it is decoded with the old publication, one after it with the new.
 */
export async function mendPublication(sql: Sql, lockTimeoutMs: number): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`set local lock_timeout = ${lockTimeoutMs}`);
    await mendOptions(tx, await readPublication(tx));
    const known = publishedNames(await readExisting(tx));
    const former = await publishTables(tx, known);
    for (const extra of former.filter((table) => !known.includes(nameOf(table))))
      await tx.unsafe(`alter publication concord drop table ${ident(extra.schema)}.${ident(extra.table)}`);
  });
}

/** A table and its tombstones. */
export async function publish(db: Db, table: Named): Promise<void> {
  await makeIdentityFull(db, tombstonesOf(table), {});
  await publishTables(db, [nameOf(table), nameOf({ schema: tombstoneSchema(table.schema), table: table.table })]);
}

async function mendOptions(db: Db, publication: Publication | undefined): Promise<void> {
  const [server] = await db.unsafe<{ version: number }[]>(
    `select current_setting('server_version_num')::int as version`,
  );
  const options = (server?.version ?? 0) >= 180_000 ? OPTIONS_18 : OPTIONS;
  // One for all tables cannot be altered into one for some.
  if (publication?.allTables === true) await db.unsafe('drop publication concord');
  if (publication === undefined || publication.allTables) {
    await db.unsafe(`create publication concord with (${options})`);
    return;
  }
  for (const schema of publication.schemas)
    await db.unsafe(`alter publication concord drop tables in schema ${ident(schema)}`);
  if (!hasOptions(publication)) await db.unsafe(`alter publication concord set (${options})`);
}

const hasOptions = (publication: Publication): boolean =>
  publication.insert &&
  publication.update &&
  !publication.delete &&
  !publication.truncate &&
  publication.viaRoot &&
  publication.generatedColumns !== 'n';

/** Enrolled tables that are still there; one that was dropped took its place in the publication along. */
async function readExisting(db: Db): Promise<string[]> {
  const rows = await db.unsafe<{ name: string }[]>(
    `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p')`,
  );
  const there = new Set(rows.map(({ name }) => name));
  return (await readEnrolled(db)).filter((name) => there.has(name));
}

/** Publishes tables with the filter they must have and all their columns. Returns what was published before. */
async function publishTables(db: Db, names: readonly string[]): Promise<readonly PublishedTable[]> {
  const former = (await readPublication(db))?.tables ?? [];
  for (const name of names) {
    const there = former.find((table) => nameOf(table) === name);
    const filter = filterOf(name);
    if (there !== undefined && there.filter === filter && !there.hasColumnList) continue;
    const [schema, table] = splitTable(name);
    const relation = `${ident(schema)}.${ident(table)}`;
    if (there !== undefined) await db.unsafe(`alter publication concord drop table ${relation}`);
    await db.unsafe(`alter publication concord add table ${relation}${filter === null ? '' : ` where (${filter})`}`);
  }
  return former;
}
