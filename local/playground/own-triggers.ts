import { ident, type Sql } from '@concord/runtime';
import { TRIGGERS } from '../../functions/enroll/names.ts';

type OwnTrigger = { readonly schema: string; readonly table: string; readonly trigger: string };

/** Our triggers on tables and partitions that fire in another mode than `mode` (O origin, A always). */
const findOther = (sql: Sql, mode: 'O' | 'A'): Promise<OwnTrigger[]> =>
  sql<OwnTrigger[]>`
    select n.nspname as schema, c.relname as table, t.tgname as trigger from pg_trigger t
    join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where t.tgname in ${sql(Object.values(TRIGGERS))} and t.tgenabled <> ${mode}
    order by c.oid, t.tgname`;

async function setAll(sql: Sql, mode: 'O' | 'A'): Promise<void> {
  for (const { schema, table, trigger } of await findOther(sql, mode))
    await sql.unsafe(
      `alter table only ${ident(schema)}.${ident(table)} enable ${mode === 'A' ? 'always' : ''} trigger ${ident(trigger)}`,
    );
}

/**
 * Makes Concord's triggers fire whatever the session does: dumps switch triggers off, or load as a replica, so that foreign
 * keys are not checked row by row. Rows must be stamped all the same, or they would not travel.
 */
export const armTriggers = (sql: Sql): Promise<void> => setAll(sql, 'A');

/** Back to normal: applied rows must not be stamped. Nothing may be applied here before. */
export const disarmTriggers = (sql: Sql): Promise<void> => setAll(sql, 'O');
