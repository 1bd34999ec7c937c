import { arrayLiteral, type Db, rowsOf, type Table } from '@concord/runtime';
import { STAMP_COLUMN_NAMES } from './columns.ts';
import type { Finding } from './preflight.ts';

/**
 * Names of types by which Debezium (3.7, `ReplicationMessageColumnValueResolver`) chooses how to read a value, whatever schema
 * the type is in: a domain `app.date` over text stops the connector, and of one called `bool` every value becomes false.
 */
const READ_BY_NAME = [
  ...[
    'bool',
    'boolean',
    'int2',
    'int4',
    'int8',
    'smallint',
    'int',
    'integer',
    'bigint',
    'oid',
    'numeric',
    'decimal',
    'money',
  ],
  ...[
    'smallserial',
    'serial',
    'bigserial',
    'serial2',
    'serial4',
    'serial8',
    'float4',
    'float8',
    'real',
    'double precision',
  ],
  ...[
    'date',
    'time',
    'timetz',
    'time with time zone',
    'time without time zone',
    'interval',
    'timestamp',
    'timestamptz',
  ],
  ...['timestamp with time zone', 'timestamp without time zone', 'bytea', 'bit', 'bit varying', 'varbit', 'hstore'],
  ...['box', 'circle', 'line', 'lseg', 'path', 'point', 'polygon', 'geometry', 'geography'],
];

/** Also the types that a domain stands for. Types of extensions are those that Debezium means; an array is read as text. */
const BORROWED_NAMES = /* sql */ `
with recursive chain as (
  select attname as "column", atttypid as type from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
  union all select c."column", t.typbasetype from chain c join pg_type t on t.oid = c.type where t.typtype = 'd')
select c."column", format('%I.%I', n.nspname, t.typname) as type from chain c join pg_type t on t.oid = c.type
join pg_namespace n on n.oid = t.typnamespace
where n.nspname <> 'pg_catalog' and t.typname = any ($2::text::text[])
  and not exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e') order by 1`;

/** What stops or misleads the connector alone: found in PostgreSQL's own log of changes, it would be right. */
export async function checkConnector(db: Db, table: Table): Promise<Finding[]> {
  const borrowed = await db.unsafe<{ column: string; type: string }[]>(BORROWED_NAMES, [
    rowsOf(table),
    arrayLiteral(READ_BY_NAME),
  ]);
  const refuse = (code: string, reason: string, hint: string): Finding => ({
    ...{ level: 'error', code, table: table.name, reason, hint },
  });
  const found = borrowed.map(({ column, type }) =>
    refuse(
      'type_name',
      `column ${column} is of type ${type}, which Debezium takes for the built-in type of that name`,
      'rename the type',
    ),
  );
  for (const names of sameButForCase([...table.columns.map(({ name }) => name), ...STAMP_COLUMN_NAMES]))
    found.push(columnCase(table.name, names));
  if (table.name.includes('"'))
    found.push(
      refuse(
        'quote_in_name',
        'the name holds a double quote, which can stop Debezium',
        'rename the table or its schema',
      ),
    );
  return found;
}

/** Debezium reads the columns of every table of the database when it starts, and stops at the first such table. */
export async function checkOtherTables(db: Db, enrolled: readonly string[]): Promise<Finding[]> {
  const rows = await db.unsafe<{ table: string; columns: string[] }[]>(
    `select n.nspname || '.' || c.relname as "table", json_agg(a.attname) as columns
       from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and n.nspname not in ('pg_catalog', 'information_schema')
        and not (n.nspname || '.' || c.relname = any ($1::text::text[]))
      group by 1 order by 1`,
    [arrayLiteral(enrolled)],
  );
  return rows.flatMap(({ table, columns }) => sameButForCase(columns).map((names) => columnCase(table, names)));
}

const columnCase = (table: string, names: readonly string[]): Finding => ({
  ...{ level: 'error', code: 'column_case', table },
  reason: `the columns ${names.join(' and ')} differ only in upper and lower case, which stops Debezium, also in a table that is not enrolled`,
  hint: 'rename one of them',
});

/** Groups of different names that are the same in lower case. */
function sameButForCase(names: readonly string[]): string[][] {
  const groups = Map.groupBy(new Set(names), (name) => name.toLowerCase());
  return [...groups.values()].filter((group) => group.length > 1);
}
