import { type Db, ident, literal, rowsOf, type Table, unquoted } from '@concord/runtime';
import type { TriggerSpec } from './spec.ts';
import { micros, rowOf } from './sql.ts';

/**
 * Keys are the first columns of `indkey`; what expressions, predicates and generated columns name is only in `pg_depend`. There it cannot be
 * told from what such an index merely includes: that then counts, and its rows claim anew more often than they must.
 */
const CLAIMED = /* sql */ `
with uniques as (
  select * from pg_index i where i.indrelid = $1::text::regclass and i.indisunique and not i.indisprimary and i.indisvalid and i.indisready and i.indislive),
referred as (
  select k.attnum::int from uniques u cross join unnest(u.indkey::int2[]) with ordinality k(attnum, position) where k.position <= u.indnkeyatts
  union select d.refobjsubid from uniques u join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = u.indexrelid
    and d.refclassid = 'pg_class'::regclass and d.refobjid = u.indrelid where u.indexprs is not null or u.indpred is not null),
sources as (
  select attnum from referred
  union select d.refobjsubid from referred r join pg_attrdef f on f.adrelid = $1::text::regclass and f.adnum = r.attnum
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = f.adrelid and d.refobjsubid <> f.adnum
      and ((d.classid = 'pg_attrdef'::regclass and d.objid = f.oid) or (d.classid = 'pg_class'::regclass and d.objid = f.adrelid and d.objsubid = f.adnum)))
select a.attname as name from sources s join pg_attribute a on a.attrelid = $1::text::regclass and a.attnum = s.attnum
where s.attnum > 0 and a.attgenerated = '' order by a.attnum`;

/** Columns on which what a row holds of the table's secondary unique keys depends. */
export async function readClaimedColumns(db: Db, table: Table): Promise<string[]> {
  return (await db.unsafe<{ name: string }[]>(CLAIMED, [rowsOf(table)])).map(({ name }) => name);
}

/**
 * The claim of a row that is being stamped: this write where `isNew` holds or a column of a unique key changed, else the former
 * one. Where such a column was dropped meanwhile (its index went with it) every write claims anew, until the table is enrolled again.
 */
export function setClaim({ table, claimed }: TriggerSpec, isNew: string, stamp: string, region: string): string {
  if (!table.claims) return '';
  if (claimed.length === 0) return '\n  new._claim := null;';
  return `
  new._claim := pg_catalog.jsonb_build_array(${micros(stamp)}, ${region});
  if not (${isNew}) then
    begin
      if ${rowOf('new', claimed)} operator(pg_catalog.*=) ${rowOf('old', claimed)} then
        new._claim := coalesce(old._claim, pg_catalog.jsonb_build_array(${micros('old._last_updated')}, old._source_region));
      end if;
    exception when undefined_column then null;
    end;
  end if;`;
}

export const CLAIM = '_claim';

/** Does a local insert have to look for held rows? */
export const isHeldBack = ({ claimed }: TriggerSpec): boolean => claimed.length > 0;

/** Types of which equal values print the same text under every setting: a held key is found by its index. */
const PLAIN: ReadonlySet<string> = new Set(
  ['int2', 'int4', 'int8', 'uuid', 'text', 'varchar'].map((type) => `pg_catalog.${type}`),
);

const typeOf = (table: Table, name: string): string =>
  table.columns.find((column) => column.name === name)?.type ?? 'pg_catalog.text';

/** The key of NEW as `concord.limbo` writes it. */
const keyTexts = (table: Table): string =>
  `pg_catalog.jsonb_build_array(${table.key.map(({ name }) => `pg_catalog.format('%s', new.${ident(name)})`).join(', ')})`;

/** Which entries `l` of `concord.limbo` are the row of NEW's key: equality is the type's and not the text's. */
function isHeld(table: Table): string {
  const isTable = `l.table_name operator(pg_catalog.=) ${literal(table.name)}`;
  if (table.key.every(({ name, canonical }) => canonical && PLAIN.has(unquoted(typeOf(table, name)))))
    return `${isTable} and l.key operator(pg_catalog.=) ${keyTexts(table)}`;
  const same = table.key.map(
    ({ name, equals }, index) =>
      `(l.key operator(pg_catalog.->>) ${index})::${typeOf(table, name)} ${equals} new.${ident(name)}`,
  );
  // Keys of other tables are of other types.
  return `${isTable} and case when ${isTable} then ${same.join(' and ')} else false end`;
}

/** A column of a held row's version, which is text in its event. */
export const heldValue = (column: string, type: string): string =>
  `(l.event operator(pg_catalog.->>) ${literal(column)})::pg_catalog.${type}`;

/** `from` and `where` of the held rows of NEW's key, as `l`. */
export const fromHeld = ({ table }: TriggerSpec): string => `concord.limbo l where ${isHeld(table)}`;

/** Most keys are not held: a statement for those that are is planned and run only for them. */
export const whereHeld = (
  spec: TriggerSpec,
  held: string,
  other: string,
): string => `if exists (select from ${fromHeld(spec)}) then
      ${held};
    else
      ${other};
    end if`;

/** In a function that runs after an insert: a snapshot that hides a held row of this key fails with 40001, as for tombstones. */
export const refuseHidden = (spec: TriggerSpec): string => `
    insert into concord.limbo (table_name, key, event, stamp, region)
    values (${literal(spec.table.name)}, ${keyTexts(spec.table)}, '{}', '-infinity', '') on conflict do nothing;
    if found then delete from concord.limbo l where l.table_name operator(pg_catalog.=) ${literal(spec.table.name)}
      and l.key operator(pg_catalog.=) ${keyTexts(spec.table)}; end if;`;

/** The row that was just written is newer than what was held under its key. */
export const releaseHeld = (spec: TriggerSpec): string => `
    delete from ${fromHeld(spec)};`;
