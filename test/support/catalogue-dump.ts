import type { Sql } from '@concord/runtime';

/** Each line names one thing that DDL can change. What belongs to the system or to an extension is left out. */
const LINES = /* sql */ `
with schemas as (
  select oid, nspname, nspacl, nspowner from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
relations as (
  select c.*, s.nspname || '.' || c.relname as name from pg_class c join schemas s on s.oid = c.relnamespace)
select concat_ws(' ', 'schema', nspname) as line from schemas
union all
select concat_ws(' ', 'relation', name, relkind, relpersistence, 'identity', relreplident, 'owner', relowner::regrole,
  'row security', relrowsecurity, relforcerowsecurity, reloptions) from relations where relkind <> 'S'
union all
select concat_ws(' ', 'column', r.name || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation,
  'identity', a.attidentity, 'generated', a.attgenerated, 'default', pg_get_expr(d.adbin, d.adrelid))
from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum where r.relkind in ('r', 'p', 'v')
union all
select concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
where connamespace in (select oid from schemas) and contype <> 'n'
union all
select concat_ws(' ', 'index', pg_get_indexdef(indexrelid), 'identity', indisreplident) from pg_index
where indrelid in (select oid from relations)
union all
select concat_ws(' ', 'trigger', pg_get_triggerdef(oid), tgenabled) from pg_trigger where not tgisinternal
union all
select concat_ws(' ', 'function', s.nspname || '.' || p.proname, 'owner', p.proowner::regrole, p.proacl, pg_get_functiondef(p.oid))
from pg_proc p join schemas s on s.oid = p.pronamespace
where p.prokind = 'f' and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
union all
select concat_ws(' ', 'publication', p.pubname, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
  t.schemaname || '.' || t.tablename, t.rowfilter)
from pg_publication p left join pg_publication_tables t on t.pubname = p.pubname
union all
select concat_ws(' ', 'policy', polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid))
from pg_policy
union all
select concat_ws(' ', 'sequence', schemaname || '.' || sequencename, 'by', increment_by, 'from', min_value, 'to', max_value,
  'start', start_value, 'cycle', cycle, 'cache', cache_size) from pg_sequences
union all
select concat_ws(' ', 'grant', name, a.grantee::regrole, a.privilege_type)
from relations, aclexplode(coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))) a
union all
select concat_ws(' ', 'schema grant', nspname, a.grantee::regrole, a.privilege_type)
from schemas, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
order by 1`;

/** The catalogue of a database, line by line: what two states differ in, the diff of an assertion shows. */
export async function dumpCatalogue(sql: Sql): Promise<string[]> {
  const rows = await sql.unsafe<{ line: string }[]>(LINES);
  return rows.map(({ line }) => line);
}
