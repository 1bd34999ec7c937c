import { CLAIM_COLUMN, LATTICE_COLUMNS } from '@concord/events';
import type { Db } from './postgres.ts';
import { ident } from './sql.ts';

/** A column as statements need it. Identifiers and types in SQL come from here, never from an event. */
export type Column = {
  readonly name: string;
  /** Qualified base type without modifiers, `pg_catalog.int8`: a cast to `varchar(3)` would cut silently. */
  readonly type: string;
  /** Array-typed (unnest would flatten it) or without an array type: bind as `text[]`, cast in the select list. */
  readonly viaText: boolean;
  readonly generated: boolean;
  readonly identity: '' | 'always' | 'default';
  /** Text of the column's constant default: what a version that was written before the column existed means. */
  readonly constantDefault: string | null;
  /** The expression of a stored generated column, over the table's columns; known where the table has unique keys. */
  readonly generation?: string | null;
  /**
   * May its values be stored out of line (TOAST)? `limited`: and the type has a modifier, as in `varchar(9000)`, so that what is assigned
   * without one passes through a function that reads the whole value.
   */
  readonly outOfLine?: 'any' | 'limited' | null;
};

export type KeyColumn = {
  readonly name: string;
  /** The equality of the primary key's index, `operator(pg_catalog.=)`. */
  readonly equals: string;
  /** Do equal values always print the same text? Not 1.5 and 1.50, not citext, not bpchar with and without blanks. */
  readonly canonical: boolean;
};

/** A unique index beside the primary key's, valid and in use. */
export type UniqueKey = {
  readonly name: string;
  /** Of the key columns, not those it merely includes: quoted names, or expressions in parentheses, over the table's columns. */
  readonly expressions: readonly string[];
  /** What rows it covers; null for all. */
  readonly predicate: string | null;
  readonly nullsNotDistinct: boolean;
};

export type Table = {
  /** `public.users` */
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  readonly partitioned: boolean;
  readonly columns: readonly Column[];
  /** Empty when there is no primary key. */
  readonly key: readonly KeyColumn[];
  /** Do its versions carry an incarnation, registers and counters? */
  readonly lattice: boolean;
  /** Do its versions carry a claim to the values of its unique keys? */
  readonly claims: boolean;
  /** By name. */
  readonly uniques: readonly UniqueKey[];
};

const CANONICAL = new Set(
  [
    'bool',
    'int2',
    'int4',
    'int8',
    'oid',
    'uuid',
    'text',
    'varchar',
    'name',
    'bytea',
    'date',
    'time',
    'timestamp',
    'timestamptz',
    'macaddr',
    'inet',
    'cidr',
  ].map((type) => `pg_catalog.${type}`),
);

type Row = Omit<Table, 'columns' | 'key' | 'lattice' | 'claims'> & {
  columns: (Omit<Column, 'constantDefault'> & { missing: string | null; defaultExpression: string | null })[];
  key: { name: string; equals: string; type: string; enumType: boolean; deterministic: boolean }[];
};

/** `format('%I')` quotes type names that are keywords: `pg_catalog."time"`. */
export const unquoted = (type: string): string => type.replaceAll('"', '');

/** A default names no column, so `pg_get_expr` needs no relation: given one it would wait for its lock, as it does for unique indexes that have a predicate or an expression, and for generated columns beside unique ones. */
const TABLES = /* sql */ `
select n.nspname || '.' || c.relname as "name", n.nspname as "schema", c.relname as "table", c.oid::int8::float8 as "oid",
  c.relkind = 'p' as "partitioned",
  (select coalesce(json_agg(json_build_object(
      'name', a.attname, 'type', format('%I.%I', tn.nspname, t.typname), 'viaText', t.typcategory = 'A' or t.typarray = 0,
      'generated', a.attgenerated <> '', 'identity', case a.attidentity when 'a' then 'always' when 'd' then 'default' else '' end,
      'generation', case when a.attgenerated = 's' and exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and not i.indisprimary)
        then pg_get_expr(d.adbin, d.adrelid) end,
      'outOfLine', case when a.attlen = -1 and a.attstorage in ('x', 'e') then case when a.atttypmod = -1 then 'any' else 'limited' end end,
      'missing', case when a.atthasmissing then (a.attmissingval::text::text[])[1] end,
      'defaultExpression', case when a.attgenerated = '' then pg_get_expr(d.adbin, 0) end) order by a.attnum), '[]')
    from pg_attribute a join pg_type t on t.oid = a.atttypid join pg_namespace tn on tn.oid = t.typnamespace
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as "columns",
  (select coalesce(json_agg(json_build_object(
      'name', a.attname, 'type', format('%I.%I', tn.nspname, t.typname), 'enumType', t.typtype = 'e',
      'deterministic', coalesce(co.collisdeterministic, true),
      'equals', format('operator(%I.%s)', opn.nspname, op.oprname)) order by k.position), '[]')
    from pg_index i cross join unnest(i.indkey::int2[], i.indclass::oid[]) with ordinality k(attnum, opclass, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    join pg_type t on t.oid = a.atttypid join pg_namespace tn on tn.oid = t.typnamespace
    left join pg_collation co on co.oid = a.attcollation
    join pg_opclass oc on oc.oid = k.opclass
    join pg_amop am on am.amopfamily = oc.opcfamily and am.amopstrategy = 3
      and am.amoplefttype = oc.opcintype and am.amoprighttype = oc.opcintype
    join pg_operator op on op.oid = am.amopopr join pg_namespace opn on opn.oid = op.oprnamespace
    where i.indrelid = c.oid and i.indisprimary) as "key",
  (select coalesce(json_agg(json_build_object(
      'name', x.relname, 'nullsNotDistinct', i.indnullsnotdistinct,
      'expressions', (select json_agg(coalesce(quote_ident(a.attname), pg_get_indexdef(i.indexrelid, k.position::int, true)) order by k.position)
        from unnest(i.indkey::int2[]) with ordinality k(attnum, position) left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum and k.attnum > 0
        where k.position <= i.indnkeyatts),
      'predicate', pg_get_expr(i.indpred, i.indrelid)) order by x.relname), '[]')
    from pg_index i join pg_class x on x.oid = i.indexrelid
    where i.indrelid = c.oid and i.indisunique and not i.indisprimary and i.indisvalid and i.indisready and i.indislive) as "uniques"
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any($1::text[])`;

/**
 * Reads the named tables (`schema.table`) from the catalogue. Tables that do not exist are missing from the map.
 */
export async function readTables(db: Db, names: readonly string[]): Promise<ReadonlyMap<string, Table>> {
  const rows = await db.unsafe<Row[]>(TABLES, [`{${names.map((name) => JSON.stringify(name)).join(',')}}`]);
  const tables = await Promise.all(rows.map((row) => tableOf(db, row)));
  return new Map(tables.map((table) => [table.name, table]));
}

async function tableOf(db: Db, row: Row): Promise<Table> {
  const constants = await constantTexts(
    db,
    row.columns.map(({ missing, defaultExpression }) => (missing === null ? defaultExpression : null)),
  );
  const columns = row.columns.map(({ missing, defaultExpression: _, ...column }, index): Column => {
    return { ...column, constantDefault: missing ?? constants[index] ?? null };
  });
  const key = row.key.map(({ type, enumType, deterministic, ...rest }) => ({
    ...rest,
    canonical: deterministic && (enumType || CANONICAL.has(unquoted(type))),
  }));
  const has = (name: string): boolean => columns.some((column) => column.name === name);
  return { ...row, columns, key, lattice: has(LATTICE_COLUMNS[0]), claims: has(CLAIM_COLUMN) };
}

const TEXT = String.raw`E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'`;
const CAST = String.raw`(?:::[\w ."()[\]]+)?`;
const LITERAL = String.raw`(?:${TEXT}|-?[0-9.]+|\(-[0-9.]+\)|true|false|NULL)${CAST}`;
const CONSTANT = new RegExp(String.raw`^(?:${LITERAL}|ARRAY\[(?:${LITERAL}(?:, ${LITERAL})*)?\]${CAST})$`);

/** The texts of default expressions that are literals (they come from the catalogue), null for none and for functions. */
async function constantTexts(db: Db, expressions: readonly (string | null)[]): Promise<(string | null)[]> {
  const isConstant = (expression: string | null): expression is string =>
    expression !== null && CONSTANT.test(expression);
  const constants = expressions.filter(isConstant);
  if (constants.length === 0) return [];
  const list = constants.map((expression) => `(${expression})::text`).join(', ');
  const [row] = await db.unsafe<{ texts: (string | null)[] }[]>(`select to_json(array[${list}]::text[]) as texts`);
  const texts = row?.texts ?? [];
  let next = 0;
  return expressions.map((expression) => (isConstant(expression) ? (texts[next++] ?? null) : null));
}

/** The columns that a write may name: all but generated ones. */
export const writableColumns = (table: Table): Column[] => table.columns.filter((column) => !column.generated);

/** `t."id" operator(pg_catalog.=) b."id" and …` for all columns of the primary key. */
export const sameKey = (table: Table, left: string, right: string): string =>
  table.key.map(({ name, equals }) => `${left}.${ident(name)} ${equals} ${right}.${ident(name)}`).join(' and ');
