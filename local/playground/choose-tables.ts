import { readTables, type Sql } from '@concord/runtime';
import { checkTable, type Finding } from '../../functions/enroll/preflight.ts';
import { localTopology } from '../region/topology.ts';

/** Which tables of a schema Concord can keep equal, and why not the others. */
export type TableChoice = {
  readonly enrolled: readonly string[];
  readonly refused: readonly RefusedTable[];
  /** About enrolled tables. */
  readonly warnings: readonly Finding[];
};

export type RefusedTable = { readonly table: string; readonly reasons: readonly Pick<Finding, 'reason' | 'hint'>[] };

const DOT_IN_NAME = {
  reason: 'there is a dot in the name of the table or of its schema',
  hint: 'the topology writes tables as schema.table: rename it',
};

/** Ordinary and partitioned tables, not their partitions and not those that belong to an extension. */
const USER_TABLES = /* sql */ `
select n.nspname as schema, c.relname as table from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
  and n.nspname !~ '^(pg_|concord(_|$))' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2`;

/** Looks at every table of the database as `concord preflight` would. */
export async function chooseTables(sql: Sql, regions: readonly string[]): Promise<TableChoice> {
  const found = await sql.unsafe<{ schema: string; table: string }[]>(USER_TABLES);
  const isNameable = ({ schema, table }: { schema: string; table: string }): boolean =>
    !`${schema}${table}`.includes('.');
  const names = found.filter(isNameable).map(({ schema, table }) => `${schema}.${table}`);
  const first = await findings(sql, regions, names);
  const enrolled = names.filter((name) => errorsOf(first, name).length === 0);
  // Once more among the tables that are left: a foreign key to a refused table is worth a warning.
  const second = await findings(sql, regions, enrolled);
  return {
    enrolled,
    refused: [
      ...names.filter((name) => !enrolled.includes(name)).map((table) => ({ table, reasons: errorsOf(first, table) })),
      ...found
        .filter((name) => !isNameable(name))
        .map(({ schema, table }) => ({ table: `${schema}.${table}`, reasons: [DOT_IN_NAME] })),
    ],
    warnings: second.filter(({ level }) => level === 'warning'),
  };
}

const errorsOf = (all: readonly Finding[], name: string): Finding[] =>
  all.filter(({ table, level }) => table === name && level === 'error');

async function findings(sql: Sql, regions: readonly string[], names: readonly string[]): Promise<Finding[]> {
  const topology = localTopology(regions, names);
  const all: Finding[] = [];
  for (const table of (await readTables(sql, names)).values()) all.push(...(await checkTable(sql, table, topology)));
  return all;
}
