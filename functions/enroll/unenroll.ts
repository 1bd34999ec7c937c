import { type Db, ident, readTables, type Sql, type Table } from '@concord/runtime';
import { dropStampColumns } from './columns.ts';
import { functionName, rowTable, schemaOf, TRIGGERS, tombstoneTable } from './names.ts';

const IDENTITY: Readonly<Record<string, string>> = { d: 'default', n: 'nothing', f: 'full' };

/**
 * Takes back everything that `enroll` added to one table: publication, triggers, functions, tombstones, columns, replica
 * identity, sequence strides, policy and grants. Rows stay as they are. Returns false when the table was not enrolled.
 */
export async function unenroll(sql: Sql, name: string): Promise<boolean> {
  return sql.begin(async (tx) => {
    const [known] = await tx<{ former_replica_identity: string; former_sequences: Record<string, number> }[]>`
      delete from concord.enrolled_table where table_name = ${name} returning former_replica_identity, former_sequences`;
    const table = (await readTables(tx, [name])).get(name);
    if (known === undefined || table === undefined) return false;
    const relations = await allRelations(tx, table);
    await tx.unsafe(`alter publication concord drop table ${rowTable(table)}, ${tombstoneTable(table)}`);
    for (const relation of relations) {
      await tx.unsafe(`drop trigger if exists ${ident(TRIGGERS.truncate)} on ${relation}`);
      const identity = IDENTITY[known.former_replica_identity];
      if (identity !== undefined) await tx.unsafe(`alter table ${relation} replica identity ${identity}`);
    }
    for (const kind of ['stamp', 'bury', 'check'] as const)
      await tx.unsafe(`drop function if exists ${functionName(table, kind)}() cascade`);
    await tx.unsafe(`drop policy if exists concord_apply on ${rowTable(table)}`);
    await tx.unsafe(`drop table ${tombstoneTable(table)}`);
    await tx.unsafe(dropStampColumns(table));
    for (const [sequence, increment] of Object.entries(known.former_sequences))
      await tx.unsafe(`alter sequence ${sequence} increment by ${increment}`);
    await tx.unsafe(`revoke all on ${rowTable(table)} from concord_apply, concord_capture`);
    await tx`delete from concord.unsettled where table_name = ${name}`;
    await dropEmptySchema(tx, table);
    return true;
  });
}

async function allRelations(db: Db, table: Table): Promise<string[]> {
  const rows = await db.unsafe<{ name: string }[]>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.oid = $1::text::regclass or c.oid in (select relid from pg_partition_tree($1::text::regclass))`,
    [rowTable(table)],
  );
  return rows.map(({ name }) => name);
}

/** The last table of a schema takes the tombstone schema and the apply roles' access to the schema with it. */
async function dropEmptySchema(db: Db, table: Table): Promise<void> {
  const [left] = await db.unsafe<{ count: number }[]>(
    `select count(*)::int as count from concord.enrolled_table where table_name like $1`,
    [`${table.schema.replace(/[\\%_]/g, '\\$&')}.%`],
  );
  if (left?.count !== 0) return;
  await db.unsafe(`drop schema ${schemaOf(table)}`);
  await db.unsafe(`revoke usage on schema ${ident(table.schema)} from concord_apply, concord_capture`);
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
