import { type Db, rowsOf, type Table } from '@concord/runtime';

/** A constraint or unique index that looks at columns of a row, its primary key aside. */
export type Rule = {
  readonly kind: 'check constraint' | 'unique index' | 'foreign key';
  readonly name: string;
  /** Those that are written: in place of a generated column, what it is computed from. */
  readonly columns: readonly string[];
};

/**
 * Also those that only a partition has; a copy of its parent's is left out. An index' expressions and predicate name their columns
 * only as dependencies, together with the columns that it merely includes. A CHECK of the whole row has column 0.
 */
const RULES = /* sql */ `
with relation as (
  select $1::text::regclass::oid as oid union select relid from pg_partition_tree($1::text::regclass)
), rule as (
  select case contype when 'c' then 'check constraint' else 'foreign key' end as kind, conname::text as name, conrelid as relation, conkey as columns
    from pg_constraint
    where conrelid in (select oid from relation) and contype in ('c', 'f') and conparentid = 0 and (coninhcount = 0 or conrelid = $1::text::regclass)
  union all
  select 'unique index', indexrelid::regclass::text, indrelid,
    (indkey::int2[])[0:indnkeyatts - 1] || case when indexprs is null and indpred is null then '{}' else array(
      select refobjsubid::int2 from pg_depend
      where classid = 'pg_class'::regclass and objid = indexrelid and refclassid = 'pg_class'::regclass and refobjid = indrelid and refobjsubid > 0) end
    from pg_index
    where indrelid in (select oid from relation) and indisunique and not indisprimary
      and not exists (select from pg_inherits where inhrelid = indexrelid)
)
select r.kind, r.name, to_json(array(
  select distinct coalesce(base.attname, a.attname)::text
    from pg_attribute a
    left join pg_attrdef d on a.attgenerated <> '' and d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid and p.refclassid = 'pg_class'::regclass
      and p.refobjid = a.attrelid and p.refobjsubid <> a.attnum
    left join pg_attribute base on base.attrelid = a.attrelid and base.attnum = p.refobjsubid
    where a.attrelid = r.relation and a.attnum > 0 and not a.attisdropped and (a.attnum = any(r.columns) or (r.kind = 'check constraint' and 0 = any(r.columns)))
    order by 1)) as columns
from rule r order by r.kind, r.name`;

export const readRules = (db: Db, table: Table): Promise<readonly Rule[]> => db.unsafe<Rule[]>(RULES, [rowsOf(table)]);
