import { type Db, ident, rowsOf, type Table, tombstonesOf } from '@concord/runtime';
import { functionName, schemaOf } from './names.ts';

/**
 * Gives the trigger functions to the owner of the table. They run what others hung onto it (users' triggers when a row is
 * touched, domain checks, casts), and that must not gain the rights of the superuser who enrolled. PostgreSQL's own foreign-key
 * actions run as the owner for the same reason.
 */
export async function giveToOwner(db: Db, table: Table): Promise<void> {
  const [row] = await db.unsafe<{ owner: string; shared: boolean }[]>(
    `select pg_get_userbyid(c.relowner) as owner, n.nspowner = c.relowner as shared from pg_class c, pg_namespace n
     where c.oid = $1::text::regclass and n.oid = $2::text::regnamespace`,
    [rowsOf(table), schemaOf(table)],
  );
  if (row === undefined) throw new Error(`${table.name} vanished`);
  const owner = ident(row.owner);
  await db.unsafe(`grant usage on schema concord, ${schemaOf(table)} to ${owner}`);
  await db.unsafe(`grant select on concord.region, concord.announced, concord.region_version to ${owner}`);
  await db.unsafe(`grant select, insert, update, delete on ${tombstonesOf(table)} to ${owner}`);
  if (table.uniques.length > 0) await db.unsafe(`grant select, insert, delete on concord.limbo to ${owner}`);
  // Who is no superuser may give a function only to a role that may create in its schema.
  if (!row.shared) await db.unsafe(`grant create on schema ${schemaOf(table)} to ${owner}`);
  for (const kind of ['stamp', 'bury', 'check'] as const)
    await db.unsafe(`alter function ${functionName(table, kind)}() owner to ${owner}`);
  if (!row.shared) await db.unsafe(`revoke create on schema ${schemaOf(table)} from ${owner}`);
}
