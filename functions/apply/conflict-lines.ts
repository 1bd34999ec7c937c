/**
 * CTEs `found` and `logged`: inserts lines of the conflict log and counts the new ones in `concord.conflict_count`. `lines` selects
 * id, table_name, key, kind, part, amount, then kind, stamp, region, vector and image of the loser and of the winner. The rule
 * and the review are the table's. Counts are appended, not added up in place: a row per table and kind would be locked until the
 * batch ends, and every other applier that logs would wait for it.
 */
export const insertLines = (lines: string): string => /* sql */ `
found (id, table_name, key, kind, part, amount, loser_kind, loser_stamp, loser_region, loser_vector, loser_image,
  winner_kind, winner_stamp, winner_region, winner_vector, winner_image) as (${lines}),
logged as (
  insert into concord.conflict (id, table_name, key, kind, rule, part, amount, loser_kind, loser_stamp, loser_region, loser_vector,
    loser_image, winner_kind, winner_stamp, winner_region, winner_vector, winner_image, review, state)
  select f.id, f.table_name, f.key, f.kind,
    case when f.kind = 'multiple_unique_conflicts' then 'unique' when f.kind = 'content_differs' then 'content'
      when f.amount is not null or (f.part ~ '[+][0-9]+$' and e.options -> 'counters' ? regexp_replace(f.part, '[+][0-9]+$', '')) then 'counter'
      when f.loser_kind = 'row' and f.winner_kind = 'tombstone' and e.options ->> 'delete' = 'wins' then 'delete wins'
      when f.part <> '' then 'merge' else coalesce(e.options ->> 'policy', e.policy, 'lww') end,
    f.part, f.amount, f.loser_kind, f.loser_stamp, f.loser_region, f.loser_vector, f.loser_image,
    f.winner_kind, f.winner_stamp, f.winner_region, f.winner_vector, f.winner_image,
    coalesce(e.review, 'log'), case when e.review = 'manual' then 'open' else 'logged' end
  from found f left join concord.enrolled_table e on e.table_name = f.table_name
  on conflict (id, loser_stamp) do nothing returning table_name, kind),
counted as (
  insert into concord.conflict_count (table_name, kind, conflicts, last_at)
  select table_name, kind, count(*), now() from logged group by table_name, kind)`;
