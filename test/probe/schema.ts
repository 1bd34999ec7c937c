import { readFileSync } from 'node:fs';
import { splitScript } from '../../local/playground/split.ts';

const SCHEMA = new URL('../../local/demo/shop.sql', import.meta.url);

/** Of the demo's shop; `public.` and a key `id` each. */
export const TABLES = ['users', 'products', 'orders'] as const;

/** Both databases have to start with the same rows, and the demo's are stamped with the time of their insertion. */
const SAME_TIMES = TABLES.flatMap((table) => [
  `alter table ${table} disable trigger touch`,
  `update ${table} set created_at = '2025-01-01', updated_at = '2025-01-01'`,
  `alter table ${table} enable trigger touch`,
]);

/** The demo's schema and first rows, statement by statement: the Data API takes one at a time. */
export function schemaStatements(): readonly string[] {
  const statements = splitScript(readFileSync(SCHEMA, 'utf8')).map((part) => {
    if (part.kind !== 'statement') throw new Error(`shop.sql line ${part.line}: the Data API takes statements only`);
    return part.sql;
  });
  return [...statements, ...SAME_TIMES];
}
