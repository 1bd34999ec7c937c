import type { Key, TableState } from '@concord/events';
import type { Sql } from '@concord/runtime';
import type { Position } from './load.ts';

/** Sentences about what keeps a table of one region from being loaded into another; none: it can be. */
export function whyNotLoadable(source: TableState | undefined, target: TableState | undefined): string[] {
  if (source === undefined) return ['the table is not enrolled at the source'];
  if (target === undefined) return ['the table is not enrolled at the target'];
  const problems: string[] = [];
  if (target.rollout !== 'live')
    problems.push(`the table is ${target.rollout} at the target: what changes meanwhile would be missing`);
  if (source.key.join() !== target.key.join())
    problems.push(`the primary keys differ: ${source.key.join(', ')} and ${target.key.join(', ')}`);
  if (source.lattice !== target.lattice) problems.push('the table has another kind of policy at the target');
  const known = new Map(target.columns.map(({ name, type }) => [name, type]));
  for (const { name, type, generated } of source.columns) {
    const there = known.get(name);
    if (there === undefined && !generated) problems.push(`the target lacks column ${name}`);
    else if (there !== undefined && there !== type) problems.push(`column ${name} is ${type}, at the target ${there}`);
  }
  return problems;
}

/** The position of an unfinished load of a table from this source. */
export async function readPosition(sql: Sql, table: string, source: string): Promise<Position | undefined> {
  const [row] = await sql<{ after: Key; versions: string }[]>`
    select after, rows::text as versions from concord.load where table_name = ${table} and source = ${source}`;
  return row && { after: row.after, versions: Number(row.versions) };
}

export async function keepPosition(sql: Sql, table: string, source: string, position: Position): Promise<void> {
  await sql.unsafe(
    `insert into concord.load (table_name, source, after, rows) values ($1::text, $2::text, $3::text::json, $4::text::int8)
     on conflict (table_name) do update set source = excluded.source, after = excluded.after, rows = excluded.rows, changed_at = now()`,
    [table, source, JSON.stringify(position.after), String(position.versions)],
  );
}

/** The load came to its end, or is to begin anew. */
export const forgetPosition = async (sql: Sql, table: string): Promise<void> =>
  void (await sql`delete from concord.load where table_name = ${table}`);

/**
 * Before rows come: what the source has collected must not rise again here from an older event. Never lowers it.
 * `horizonUs`: µs since 1970, 0 where none was published.
 */
export async function takeHorizon(sql: Sql, table: string, horizonUs: number): Promise<void> {
  if (horizonUs === 0) return;
  await sql.unsafe(
    `update concord.enrolled_table set horizon = timestamptz 'epoch' + $2::text::int8 * interval '1 microsecond'
     where table_name = $1::text and horizon < timestamptz 'epoch' + $2::text::int8 * interval '1 microsecond'`,
    [table, String(horizonUs)],
  );
}

/** Versions of loads and repairs that could not be written here. */
export async function countParked(sql: Sql, table: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from concord.parked where table_name = ${table} and topic = 'concord.repair'`;
  return row?.count ?? 0;
}
