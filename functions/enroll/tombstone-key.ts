import { type Db, ident, rowsOf, type Table, tombstonesOf } from '@concord/runtime';

type KeyColumn = { readonly name: string; readonly type: string };

const KEY = /* sql */ `
select a.attname as name, format_type(a.atttypid, a.atttypmod)
  || coalesce((select format(' collate %I.%I', n.nspname, co.collname) from pg_collation co join pg_namespace n on n.oid = co.collnamespace
       where co.oid = a.attcollation and a.attcollation <> t.typcollation), '') as type
from pg_index i cross join unnest(i.indkey::int2[]) with ordinality k(attnum, position)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum join pg_type t on t.oid = a.atttypid
where i.indrelid = $1::text::regclass and i.indisprimary order by k.position`;

/**
 * A key column may have been renamed, or given another type (int to bigint), since its table was enrolled: the tombstone's
 * follows. Throws when the primary key consists of other columns: the tombstones of former rows are then without meaning.
 */
export async function alignTombstoneKey(db: Db, table: Table): Promise<void> {
  const tombstones = tombstonesOf(table);
  const rows = await db.unsafe<KeyColumn[]>(KEY, [rowsOf(table)]);
  const former = await db.unsafe<KeyColumn[]>(KEY, [tombstones]);
  const isRenamed = (was: KeyColumn): boolean => !table.columns.some(({ name }) => name === was.name);
  for (const [index, { name, type }] of rows.entries()) {
    const was = former[index];
    const same = was !== undefined && (was.name === name || (isRenamed(was) && was.type === type));
    if (!same || rows.length !== former.length)
      throw new Error(
        `${table.name} has another primary key than when it was enrolled: un-enroll it, then enroll it again`,
      );
    if (was.name !== name)
      await db.unsafe(`alter table ${tombstones} rename column ${ident(was.name)} to ${ident(name)}`);
    if (was.type !== type) await db.unsafe(`alter table ${tombstones} alter column ${ident(name)} type ${type}`);
  }
}
