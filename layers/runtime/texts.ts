import { type Column, unquoted } from './catalogue.ts';
import type { TransactionSql } from './postgres.ts';
import { ident, literal } from './sql.ts';

/** What PostgreSQL prints and reads depends on these. The roles of capture and apply have them; who else reads or writes texts sets them. */
const SETTINGS = {
  timezone: 'UTC',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  lc_monetary: 'C',
  xmloption: 'content',
} as const;

const SET_PRINTING = Object.entries(SETTINGS)
  .map(([name, value]) => `set local ${name} = '${value}'`)
  .join('; ');

/** Values are printed, and read, as change events carry them, until the transaction ends. */
export async function setPrinting(tx: TransactionSql): Promise<void> {
  await tx.unsafe(SET_PRINTING).simple();
}

/** Built-in types whose cast to text is not what PostgreSQL prints: it cuts blanks off, or adds a netmask. */
const CAST_DIFFERS: ReadonlySet<string> = new Set(['pg_catalog.bpchar', 'pg_catalog.inet']);

/** Arguments of `json_object` or `jsonb_object`: any number of columns, and the very texts that an event would carry. */
export const textsOf = (columns: readonly Pick<Column, 'name' | 'type'>[], alias: string): string =>
  `array[${columns.map(({ name }) => literal(name)).join(', ')}]::text[], ` +
  `array[${columns.map((column) => printed(alias, column)).join(', ')}]::text[]`;

/** What PostgreSQL prints for a value, as an event carries it; NULL for NULL. A domain may stand for any type. */
export function printed(alias: string, { name, type }: Pick<Column, 'name' | 'type'>): string {
  const value = `${alias}.${ident(name)}`;
  const castPrints = type.startsWith('pg_catalog.') && !CAST_DIFFERS.has(unquoted(type));
  return castPrints ? `${value}::text` : `case when ${value} is distinct from null then format('%s', ${value}) end`;
}
