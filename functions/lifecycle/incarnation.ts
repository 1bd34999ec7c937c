import type { Sql } from '@concord/runtime';
import type { Known } from './known.ts';

/** How the database stands; `begun`: its new incarnation is not in order yet. */
export type Incarnation = {
  readonly region: string;
  readonly incarnation: number;
  readonly suspended: string | null;
  readonly begun: boolean;
};

const BEGUN = 'a new incarnation was begun: ';

export async function readIncarnation(sql: Sql): Promise<Incarnation> {
  const [row] = await sql<Incarnation[]>`
    select source_region as region, incarnation, suspended, coalesce(starts_with(suspended, ${BEGUN}), false) as begun from concord.region`;
  if (row === undefined) throw new Error('this database is no region: enroll it first');
  return row;
}

/** Local writes are refused from now on, with this reason, unless they are already. Changes of other regions go in as before. */
export const suspend = async (sql: Sql, reason: string): Promise<void> =>
  void (await sql`update concord.region set suspended = ${reason} where suspended is null`);

/**
 * The database is an earlier state of its region: what it writes from now on is another incarnation's, later than all that is known of
 * the former ones anywhere, so that no version is ever made twice. Local writes stay refused until `resume`. Run again before that, it
 * only raises the floor.
 */
export async function beginIncarnation(sql: Sql, known: Known): Promise<Incarnation> {
  const [row] = await sql.unsafe<{ incarnation: number }[]>(
    `update concord.region set
       incarnation = case when starts_with(suspended, $1::text) then incarnation else greatest(incarnation, $2::text::int) + 1 end,
       floor = greatest(floor, timestamptz 'epoch' + ($3::text::int8 + 1) * interval '1 microsecond'),
       suspended = $1::text || 'its topics are read again, and it is reconciled'
     returning incarnation`,
    [BEGUN, String(known.incarnation), String(known.latestUs)],
  );
  if (row === undefined) throw new Error('this database is no region: enroll it first');
  return readIncarnation(sql);
}

/** Local writes are taken again. Returns false where the database was suspended for another reason than a new incarnation: then nothing changes. */
export async function resume(sql: Sql): Promise<boolean> {
  const { count } = await sql`
    update concord.region set suspended = null where suspended is null or starts_with(suspended, ${BEGUN}) returning 1`;
  return count > 0;
}
