import type { Db } from '@concord/runtime';

/** Per relation (quoted) the `replica identity` clause that it had before it was enrolled: un-enrolling gives it back. */
export type FormerIdentities = Readonly<Record<string, string>>;

const IDENTITIES = /* sql */ `
select format('%I.%I', n.nspname, c.relname) as relation, case c.relreplident when 'f' then 'full' when 'n' then 'nothing'
  when 'i' then coalesce((select format('using index %I', x.relname) from pg_index i join pg_class x on x.oid = i.indexrelid
    where i.indrelid = c.oid and i.indisreplident), 'nothing') else 'default' end as clause
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = $1::text::regclass or c.oid in (select relid from pg_partition_tree($1::text::regclass))`;

/**
 * REPLICA IDENTITY FULL for a table and its partitions: the row filter needs `_local`, and the decoder unchanged TOAST values.
 * Returns the former clauses, those of partitions that came since added.
 */
export async function makeIdentityFull(db: Db, table: string, former: FormerIdentities): Promise<FormerIdentities> {
  const rows = await db.unsafe<{ relation: string; clause: string }[]>(IDENTITIES, [table]);
  for (const { relation, clause } of rows)
    if (clause !== 'full') await db.unsafe(`alter table ${relation} replica identity full`);
  return { ...Object.fromEntries(rows.map(({ relation, clause }) => [relation, clause])), ...former };
}

/** Gives back what `makeIdentityFull` took, where the relation is still part of the table. */
export async function restoreIdentity(db: Db, table: string, former: FormerIdentities): Promise<void> {
  const rows = await db.unsafe<{ relation: string; clause: string }[]>(IDENTITIES, [table]);
  for (const { relation, clause } of rows) {
    const before = former[relation];
    if (before !== undefined && before !== clause)
      await db.unsafe(`alter table ${relation} replica identity ${before}`);
  }
}
