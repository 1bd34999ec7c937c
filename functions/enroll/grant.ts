import { type Db, ident, rowsOf, type Table, type TransactionSql, tombstonesOf } from '@concord/runtime';
import { schemaOf } from './names.ts';

/** Roles that change rows: apply writes what other regions wrote, and an operator's reinstated version is a local write. */
const WRITERS = ['concord_apply', 'concord_operator'] as const;

export const TABLE_ROLES = [...WRITERS, 'concord_capture'] as const;

/**
 * Least privilege: apply writes rows and tombstones; operators write rows, for which all triggers fire, and collect tombstones; capture
 * reads both (Debezium wants to); nobody truncates.
 */
export async function grant(tx: TransactionSql, table: Table): Promise<void> {
  const [rows, tombstones] = [rowsOf(table), tombstonesOf(table)];
  const roles = TABLE_ROLES.join(', ');
  await tx.unsafe(`grant usage on schema ${ident(table.schema)}, ${schemaOf(table)} to ${roles}`);
  for (const schema of await readTypeSchemas(tx, table))
    await tx.unsafe(`grant usage on schema ${ident(schema)} to ${roles}`);
  await tx.unsafe(`grant select, insert, update, delete on ${rows} to ${WRITERS.join(', ')}`);
  await tx.unsafe(`grant select, insert, update, delete on ${tombstones} to concord_apply`);
  await tx.unsafe(`grant select on ${rows}, ${tombstones} to concord_capture`);
  // A row is locked only by whoever may update a column of it.
  await tx.unsafe(`grant select, delete, update (_local) on ${tombstones} to concord_operator`);
  await tx.unsafe(`revoke truncate on ${rows} from ${WRITERS.join(', ')}`);
  await passRowSecurity(tx, rows);
}

/** Where rows are secured, writers see and write all of them. The policies are called as the roles are. */
async function passRowSecurity(tx: TransactionSql, rows: string): Promise<void> {
  const [security] = await tx.unsafe<{ on: boolean; policies: string[] | null }[]>(
    `select relrowsecurity as "on", (select json_agg(polname) from pg_policy where polrelid = c.oid) as policies
     from pg_class c where oid = $1::text::regclass`,
    [rows],
  );
  if (security?.on !== true) return;
  for (const role of WRITERS)
    if (security.policies?.includes(role) !== true)
      await tx.unsafe(`create policy ${role} on ${rows} to ${role} using (true) with check (true)`);
}

/** Schemas of the columns' own types (enums, domains, extensions), which casts name. */
async function readTypeSchemas(db: Db, table: Table): Promise<string[]> {
  const rows = await db.unsafe<{ name: string }[]>(
    `select distinct n.nspname as name from pg_attribute a join pg_type t on t.oid = a.atttypid
       join pg_namespace n on n.oid = t.typnamespace
     where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped and n.nspname <> 'pg_catalog'`,
    [rowsOf(table)],
  );
  return rows.map(({ name }) => name);
}

/** Takes back what `grant` gave on the table itself. */
export async function revoke(db: Db, table: Table): Promise<void> {
  const rows = rowsOf(table);
  for (const role of WRITERS) await db.unsafe(`drop policy if exists ${role} on ${rows}`);
  await db.unsafe(`revoke all on ${rows} from ${TABLE_ROLES.join(', ')}`);
}
