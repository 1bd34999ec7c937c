import { ident, readTables, rowsOf, type Sql, setPrinting, type TransactionSql } from '@concord/runtime';
import type { ConflictLine } from './conflict-line.ts';
import { alreadyDecided, findConflict, isDecided } from './conflicts.ts';
import { Refused } from './refused.ts';
import { planReinstatement, type Reinstatement, type ReinstateOptions, type TableFacts } from './reinstatement.ts';
import { readStanding, type Standing, typeOf } from './standing.ts';

/** What a reinstatement writes, or wrote. */
export type Reinstated = Reinstatement & {
  readonly conflict: ConflictLine;
  /** What it was decided over: given back as `over`, the write is refused where anything else stands by then. */
  readonly over: string;
};

export type ReinstateRequest = ReinstateOptions & {
  readonly over?: string | undefined;
  /** Only says what would be written. */
  readonly dryRun?: boolean | undefined;
};

const LOCK_TIMEOUT_MS = 5000;

/**
 * Brings the loser of a conflict back: one new local write of this role, stamped by the table's triggers, that travels to all
 * regions as any write does. Row and line are locked, and one snapshot is read, so that it is the write that was asked for or
 * none. Throws `Refused`, and PostgreSQL's own error where the table refuses the row.
 */
export async function reinstate(sql: Sql, id: string, request: ReinstateRequest = {}): Promise<Reinstated> {
  try {
    return (await sql.begin((tx) => reinstateIn(tx, id, request))) as Reinstated;
  } catch (error) {
    throw refusalOf(error);
  }
}

async function reinstateIn(tx: TransactionSql, id: string, request: ReinstateRequest): Promise<Reinstated> {
  await tx.unsafe('set transaction isolation level repeatable read');
  await tx.unsafe(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
  await setPrinting(tx);
  const isDryRun = request.dryRun === true;
  const conflict = await findConflict(tx, id, isDryRun ? '' : 'for update');
  if (isDecided(conflict)) throw alreadyDecided(conflict);
  const facts = await readFacts(tx, conflict.table);
  const standing = await readStanding(tx, facts.table, conflict, !isDryRun);
  const over = tokenOf(standing);
  if (request.over !== undefined && request.over !== over)
    throw new Refused('somebody wrote the row a moment ago', 'look at it again, then decide');
  const plan = planReinstatement(conflict, standing, facts, request);
  if (isDryRun) return { ...plan, conflict, over };
  await write(tx, conflict, facts, plan);
  await tx.unsafe(
    `update concord.conflict set state = 'reinstated', decided_by = session_user, decided_at = now() where id = $1::text`,
    [conflict.id],
  );
  return { ...plan, conflict: await findConflict(tx, conflict.id), over };
}

const tokenOf = (standing: Standing): string =>
  JSON.stringify(standing.kind === 'nothing' ? [] : [standing.kind, standing.stamp, standing.region, standing.vector]);

type Facts = { role: string; counters: string[] | null; uniqueColumns: string[] | null };

const FACTS = /* sql */ `
select current_setting('session_replication_role') as role, e.options -> 'counters' as counters, (
  select json_agg(distinct a.attname) from pg_index i
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum > 0 and (a.attnum = any(i.indkey::int2[]) or exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_class'::regclass
      and d.refobjid = i.indrelid and d.refobjsubid = a.attnum))
  where i.indrelid = $2::oid and i.indisunique and not i.indisprimary) as "uniqueColumns"
from concord.enrolled_table e where e.table_name = $1::text`;

async function readFacts(tx: TransactionSql, name: string): Promise<TableFacts> {
  const table = (await readTables(tx, [name])).get(name);
  const [facts] = table === undefined ? [] : await tx.unsafe<Facts[]>(FACTS, [name, table.oid]);
  if (table === undefined || facts === undefined)
    throw new Refused(
      `${name} is not enrolled in this region`,
      'nothing written to it would travel: dismiss the conflict',
    );
  if (facts.role === 'replica')
    throw new Refused(
      "this role's writes are not stamped, and would stay in this region",
      'use concord_operator, or a role of the application',
    );
  return { table, counters: facts.counters ?? [], uniqueColumns: new Set(facts.uniqueColumns ?? []) };
}

async function write(
  tx: TransactionSql,
  { key }: ConflictLine,
  { table }: TableFacts,
  plan: Reinstatement,
): Promise<void> {
  const { action, columns } = plan;
  const value = (name: string, index: number): string => `$${index}::text::${typeOf(table, name)}`;
  const first = columns.length + 1;
  const where = table.key
    .map(({ name, equals }, index) => `t.${ident(name)} ${equals} ${value(name, first + index)}`)
    .join(' and ');
  const texts = columns.map(({ to }) => to);
  const statement = {
    insert: () => {
      const always = table.columns.some(({ identity }) => identity === 'always') ? 'overriding system value' : '';
      const names = columns.map(({ column }) => ident(column)).join(', ');
      return `insert into ${rowsOf(table)} as t (${names}) ${always} values (${columns.map(({ column }, index) => value(column, index + 1)).join(', ')})`;
    },
    update: () =>
      `update ${rowsOf(table)} t set ${columns.map(({ column }, index) => `${ident(column)} = ${value(column, index + 1)}`).join(', ')} where ${where}`,
    add: () =>
      `update ${rowsOf(table)} t set ${columns.map(({ column }, index) => `${ident(column)} = t.${ident(column)} + ${value(column, index + 1)}`).join(', ')} where ${where}`,
    delete: () => `delete from ${rowsOf(table)} t where ${where}`,
  }[action]();
  const written = await tx.unsafe(statement, action === 'insert' ? texts : [...texts, ...key]);
  if (written.count !== 1)
    throw new Refused(
      'the table did not take the write',
      'a trigger or a row security policy of the table stood in the way',
    );
}

/** What PostgreSQL refuses because of others' writes or this role's rights, as something to act on. */
function refusalOf(error: unknown): unknown {
  const { code, message, detail } = error as { code?: string; message?: string; detail?: string };
  if (code === '40001')
    return new Refused('somebody wrote the row at the same moment', 'look at it again, then decide');
  if (code === '55P03')
    return new Refused('a transaction keeps the row locked', 'see pg_stat_activity; try again when it has ended');
  if (code === '23505')
    return new Refused(
      `another row has one of the loser's unique values: ${detail ?? message}`,
      'give this row another one: --set <column>=<value>',
    );
  if (code !== undefined && /^(?:22|23|44|P0)/.test(code))
    return new Refused(
      `the table refuses the row: ${message}`,
      'give the column another value: --set <column>=<value>',
    );
  return error;
}
