import type { ClaimedAlert, ConflictsAnswer, OutboxAnswers, OutboxRequest, TriedAlert } from '@concord/events';
import { arrayLiteral, type Sql } from '@concord/runtime';

/** Tries before an alert is given up: about a day. */
export const MAX_ATTEMPTS = 24;

/** Cursors of all regions and of their former incarnations. */
async function cursors(sql: Sql): Promise<OutboxAnswers['cursors']> {
  const rows = await sql<{ region: string; xid: string }[]>`
    select region, next_xid::text as xid from concord.alert_cursor`;
  return { cursors: Object.fromEntries(rows.map(({ region, xid }) => [region, xid])) };
}

/** Ids apart from the notices: the server would have to unescape all of an image, which it cannot always do, to find one in it. */
const RECORD = /* sql */ `
insert into concord.alert as a (conflict_id, conflict, seen_in)
select id, notice, array[$3::text] from (select distinct on (id) id, notice from unnest($1::text::text[], $2::text::json[]) n (id, notice)) d
order by id
on conflict (conflict_id) do update set seen_in = a.seen_in || excluded.seen_in where not a.seen_in @> excluded.seen_in
returning xmax = 0 as added`;

/** A conflict that is known already, from whichever region, is not sent again. The cursor moves with what it covers, or not at all. */
async function record(sql: Sql, { region, notices, cursor }: ConflictsAnswer): Promise<OutboxAnswers['record']> {
  const ids = arrayLiteral(notices.map(({ id }) => id));
  const texts = arrayLiteral(notices.map((notice) => JSON.stringify(notice)));
  return sql.begin(async (tx) => {
    const rows = await tx.unsafe<{ added: boolean }[]>(RECORD, [ids, texts, region]);
    await tx.unsafe(
      /* sql */ `insert into concord.alert_cursor (region, next_xid) values ($1::text, $2::text::xid8)
      on conflict (region) do update set next_xid = excluded.next_xid, read_at = now()`,
      [region, cursor],
    );
    return { recorded: rows.filter(({ added }) => added).length };
  });
}

/**
 * The pause is written with the claim, before anything is sent: whoever claims and dies leaves an alert that is tried again, and
 * two who claim at once get different ones. The first pause is longer than a run of the alert function; then it doubles, to an hour.
 */
const CLAIM = /* sql */ `
update concord.alert a set attempts = a.attempts + 1,
  next_try_at = now() + least(interval '2 minutes' * 2 ^ least(a.attempts, 10), interval '1 hour') * (1 + random() / 2)
from (
  select conflict_id from concord.alert where next_try_at <= now() order by next_try_at, conflict_id limit $1::int for update skip locked) due
where a.conflict_id = due.conflict_id
returning a.conflict::text as notice, a.attempts, to_json(a.sent_to)::text as sent_to`;

async function claim(sql: Sql, limit: number): Promise<OutboxAnswers['claim']> {
  const rows = await sql.unsafe<{ notice: string; attempts: number; sent_to: string }[]>(CLAIM, [limit]);
  const claimed = rows.map(
    ({ notice, attempts, sent_to }): ClaimedAlert => ({
      notice: JSON.parse(notice),
      attempts,
      sentTo: JSON.parse(sent_to),
    }),
  );
  return { claimed };
}

/** What was sent meanwhile by somebody else stays sent. Nothing is ever deleted. */
const SETTLE = /* sql */ `
update concord.alert a set sent_to = t.sent_to, error = t.error,
  sent_at = case when t.error is null then now() end,
  next_try_at = case when t.error is null or t.refused or a.attempts >= ${MAX_ATTEMPTS} then null else a.next_try_at end
from (
  select t ->> 'id' as id, t ->> 'error' as error, (t ->> 'refused')::boolean as refused,
    array(select jsonb_array_elements_text(t -> 'sentTo')) as sent_to
  from jsonb_array_elements($1::text::jsonb) t) t
where a.conflict_id = t.id and a.sent_at is null`;

async function settle(sql: Sql, tried: readonly TriedAlert[]): Promise<OutboxAnswers['settle']> {
  // A NUL byte in a receiver's answer is no text for PostgreSQL.
  const rows = tried.map((one) => ({ ...one, error: one.error?.replaceAll('\0', '�').toWellFormed() ?? null }));
  const { count } = await sql.unsafe(SETTLE, [JSON.stringify(rows)]);
  return { settled: count };
}

async function count(sql: Sql): Promise<OutboxAnswers['count']> {
  const [row] = await sql<{ waiting: number; givenUp: number }[]>`
    select (select count(*)::int from concord.alert where next_try_at is not null) as waiting,
      (select count(*)::int from concord.alert where next_try_at is null and sent_at is null) as "givenUp"`;
  return row ?? { waiting: 0, givenUp: 0 };
}

/** One request to the hub's alerts, over a connection of `concord_operator`. */
export function answer(sql: Sql, request: OutboxRequest): Promise<OutboxAnswers[keyof OutboxAnswers]> {
  switch (request.do) {
    case 'cursors':
      return cursors(sql);
    case 'record':
      return record(sql, request.answer);
    case 'claim':
      return claim(sql, request.limit);
    case 'settle':
      return settle(sql, request.tried);
    case 'count':
      return count(sql);
  }
}
