import { type Db, rowsOf, type Table } from '@concord/runtime';
import type { Finding } from './preflight.ts';

type UniqueIndex = {
  name: string;
  valid: boolean;
  deferrable: boolean;
  /** A partition's own. */
  partition: string | null;
  collations: string[];
  /** Equality of operator classes that is not the type's own. */
  operators: string[];
};

const UNIQUE = /* sql */ `
with relation as (
  select $1::text::regclass::oid as oid union select relid from pg_partition_tree($1::text::regclass)
)
select i.indexrelid::regclass::text as name, i.indisvalid and i.indisready and i.indislive as valid, not i.indimmediate as deferrable,
  case when i.indrelid <> $1::text::regclass then i.indrelid::regclass::text end as "partition",
  to_json(array(select distinct collname::text from pg_collation where oid = any(i.indcollation::oid[]) and not collisdeterministic)) as collations,
  to_json(array(
    select distinct c.opcname::text from unnest(i.indclass::oid[]) u(oid) join pg_opclass c on c.oid = u.oid
    join pg_amop mine on mine.amopfamily = c.opcfamily and mine.amopstrategy = 3 and mine.amoplefttype = c.opcintype and mine.amoprighttype = c.opcintype
    where not exists (select from pg_opclass d join pg_amop its on its.amopfamily = d.opcfamily and its.amopstrategy = 3
      and its.amoplefttype = d.opcintype and its.amoprighttype = d.opcintype
      where d.opcmethod = c.opcmethod and d.opcintype = c.opcintype and d.opcdefault and its.amopopr = mine.amopopr))) as operators
from pg_index i
where i.indrelid in (select oid from relation) and i.indisunique and not i.indisprimary and not i.indisexclusion
  and not exists (select from pg_inherits where inhrelid = i.indexrelid)
order by 1`;

/** Unique indexes beside the primary key: two regions may each give one value away, and then the earlier claim is visible. */
export async function checkUnique(db: Db, table: Table): Promise<Finding[]> {
  const indexes = await db.unsafe<UniqueIndex[]>(UNIQUE, [rowsOf(table)]);
  return indexes.map((index) => checkIndex(table, index));
}

function checkIndex(table: Table, index: UniqueIndex): Finding {
  const refuse = (code: string, reason: string, hint: string): Finding => ({
    level: 'error',
    code,
    table: table.name,
    reason: `unique index ${index.name} ${reason}`,
    hint,
  });
  if (!index.valid)
    return refuse(
      'unique_invalid',
      'is not valid',
      'wait until it is built; if that failed, drop it and create it again',
    );
  if (index.deferrable)
    return refuse(
      'unique_deferrable',
      'is deferrable',
      'a trigger keeps it, which does not fire for applied rows: they would become duplicates. Make it not deferrable',
    );
  if (index.partition !== null)
    return refuse(
      'unique_partition',
      `is on partition ${index.partition} alone`,
      'a row is held for what it takes in the whole table: create it on the partitioned table, or drop it',
    );
  if (index.collations.length > 0)
    return refuse(
      'unique_collation',
      `has a non-deterministic collation (${index.collations.join(', ')})`,
      'which texts are equal depends on the version of ICU in each region: use a deterministic one, or an index on lower(…)',
    );
  if (index.operators.length > 0)
    return refuse(
      'unique_operator',
      `compares otherwise than the type's = (${index.operators.join(', ')})`,
      'use the default operator class',
    );
  return {
    level: 'warning',
    code: 'secondary_unique',
    table: table.name,
    reason: `unique index ${index.name}: two regions can each insert one value`,
    hint: 'the earlier claim is visible, the later row is held complete until the value is free',
  };
}
