import type { Review } from '@concord/events';
import type { Db } from '@concord/runtime';

export type ConflictLine = {
  /** Key of the row: makes the conflict's id. */
  readonly key: string;
  readonly review?: Review;
  readonly table?: string;
  /** JSON objects. */
  readonly loserImage?: string | null;
  readonly winnerImage?: string | null;
};

const INSERT = /* sql */ `
insert into concord.conflict (id, table_name, key, kind, rule, review, state, loser_kind, loser_stamp, loser_region, loser_vector, loser_image,
  winner_kind, winner_stamp, winner_region, winner_vector, winner_image)
select concord.conflict_id(l.tbl, l.key, l.stamp, 'us-1'), l.tbl, l.key, 'insert_exists', 'lww', l.review,
  case l.review when 'manual' then 'open' else 'logged' end, 'row', l.stamp, 'us-1', '{}', l.loser, 'row', l.stamp + interval '1 ms', 'eu-1', '{}', l.winner
from (select coalesce(j ->> 'table', 'public.items') as tbl, jsonb_build_array(j ->> 'key') as key, coalesce(j ->> 'review', 'alert') as review,
    timestamptz '2026-11-21 08:00:00.000001+00' as stamp, (j ->> 'loserImage')::json as loser, (j ->> 'winnerImage')::json as winner
  from jsonb_array_elements($1::text::jsonb) j) l
returning id`;

/** Lines as apply logs them: one conflict per key, the same in every region. Returns the ids. */
export async function logLines(db: Db, ...lines: readonly ConflictLine[]): Promise<string[]> {
  const rows = await db.unsafe<{ id: string }[]>(INSERT, [JSON.stringify(lines)]);
  return rows.map(({ id }) => id);
}
