import { tombstoneSchema } from '@concord/events';
import { type Db, ident, readTables, rowsOf, type Sql, splitTable, type Table, tombstonesOf } from '@concord/runtime';
import { dropOwnColumns } from './columns.ts';
import { revoke, TABLE_ROLES } from './grant.ts';
import { functionName, type Named, TRIGGERS } from './names.ts';
import { type FormerIdentities, restoreIdentity } from './replica-identity.ts';
import { type FormerIncrements, readFormerIncrements } from './sequences.ts';

type Former = { readonly identities: FormerIdentities; readonly sequences: FormerIncrements };

/**
 * Takes back everything that `enroll` added to one table: publication, triggers, functions, tombstones, columns, replica
 * identity, sequence strides, policy and grants. Rows stay as they are; of a table that was dropped meanwhile the remains go.
 * Returns false when the table was not enrolled. Throws when a transaction holds the table for longer than `lockTimeoutMs`.
 */
export async function unenroll(sql: Sql, name: string, lockTimeoutMs = 5000): Promise<boolean> {
  return sql.begin(async (tx) => {
    await tx.unsafe(`set local lock_timeout = ${lockTimeoutMs}`);
    const [known] = await tx<Former[]>`
      delete from concord.enrolled_table where table_name = ${name}
      returning former_identities as identities, former_sequences as sequences`;
    if (known === undefined) return false;
    const table = (await readTables(tx, [name])).get(name);
    if (table !== undefined) await giveBack(tx, table, known);
    const [schema, rest] = splitTable(name);
    await dropOwn(tx, { schema, table: rest });
    if (table !== undefined) await tx.unsafe(dropOwnColumns(table));
    await tx`delete from concord.unsettled where table_name = ${name}`;
    await tx`delete from concord.limbo where table_name = ${name}`;
    await revokeUnused(tx, schema);
    return true;
  });
}

async function giveBack(db: Db, table: Table, former: Former): Promise<void> {
  const rows = rowsOf(table);
  await db.unsafe(`alter publication concord drop table ${rows}`);
  for (const relation of await allRelations(db, table))
    await db.unsafe(`drop trigger if exists ${ident(TRIGGERS.truncate)} on ${relation}`);
  await restoreIdentity(db, rows, former.identities);
  const shared = await readFormerIncrements(db);
  for (const [sequence, increment] of Object.entries(former.sequences).filter(([name]) => !(name in shared)))
    await db.unsafe(`alter sequence if exists ${sequence} increment by ${increment}`);
  await revoke(db, table);
}

async function dropOwn(db: Db, table: Named): Promise<void> {
  for (const kind of ['stamp', 'bury', 'check'] as const)
    await db.unsafe(`drop function if exists ${functionName(table, kind)}() cascade`);
  await db.unsafe(`drop table if exists ${tombstonesOf(table)}`);
}

async function allRelations(db: Db, table: Table): Promise<string[]> {
  const rows = await db.unsafe<{ name: string }[]>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.oid = $1::text::regclass or c.oid in (select relid from pg_partition_tree($1::text::regclass))`,
    [rowsOf(table)],
  );
  return rows.map(({ name }) => name);
}

/** Schemas that the apply role may use and no enrolled table needs any more: its own, or those of its types. */
const UNUSED = /* sql */ `
select n.nspname as name from pg_namespace n
where n.nspname <> 'concord'
  and exists (select from aclexplode(n.nspacl) a where a.grantee = 'concord_apply'::regrole)
  and not exists (
    select from concord.enrolled_table e join pg_class c on c.relkind in ('r', 'p')
    join pg_namespace cn on cn.oid = c.relnamespace and cn.nspname || '.' || c.relname = e.table_name
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped join pg_type t on t.oid = a.atttypid
    where n.oid in (cn.oid, t.typnamespace) or n.nspname = 'concord_' || cn.nspname)`;

/** The last table of a schema takes the tombstone schema and the roles' access to the schema with it. */
async function revokeUnused(db: Db, schema: string): Promise<void> {
  const unused = await db.unsafe<{ name: string }[]>(UNUSED);
  for (const { name } of unused) {
    if (name === tombstoneSchema(schema)) await db.unsafe(`drop schema ${ident(name)}`);
    else await db.unsafe(`revoke usage on schema ${ident(name)} from ${TABLE_ROLES.join(', ')}`);
  }
}

/** Drops the publication and schema `concord` with all its logs; refuses while a table is enrolled. The roles stay: they are cluster-wide. */
export async function uninstall(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    const rows = await tx<{ table_name: string }[]>`select table_name from concord.enrolled_table`;
    if (rows.length > 0)
      throw new Error(`still enrolled: ${rows.map((row) => row.table_name).join(', ')}; un-enroll these first`);
    await tx`drop publication if exists concord`;
    await tx`drop schema concord cascade`;
  });
}
