import { FIRST_RESOLVER, RESOLVER } from '@concord/conflict';
import { incarnationOf, type KafkaRecord } from '@concord/events';
import { heartbeatOf } from '@concord/idempotency';
import { arrayLiteral, type Db, send } from '@concord/runtime';

/** What other regions wait for before their triggers make what this join must know. An older function never lowers it. */
export const registerResolver = (db: Db): Promise<unknown> =>
  send(db, 'update concord.region set resolver = $1::text::int4 where resolver < $1::text::int4', [String(RESOLVER)]);

type Peer = NonNullable<ReturnType<typeof heartbeatOf>>;

const isNewer = (a: Peer, b: Peer): boolean => {
  const [incarnation, known] = [incarnationOf(a.sourceRegion), incarnationOf(b.sourceRegion)];
  if (incarnation !== known) return incarnation > known;
  return a.sequence !== b.sequence ? a.sequence > b.sequence : a.beatAtUs > b.beatAtUs;
};

/** The newest of what each region says, whatever the partition. */
function newest(peers: readonly Peer[]): Peer[] {
  const byRegion = new Map<string, Peer>();
  for (const peer of peers) {
    const known = byRegion.get(peer.region);
    if (known === undefined || isNewer(peer, known)) byRegion.set(peer.region, peer);
  }
  return [...byRegion.values()].sort((a, b) => (a.region < b.region ? -1 : 1));
}

/** Says when a region that does not number its heartbeats was heard last to within this; what it runs is noted at once. */
const PRECISION = `interval '10 seconds'`;

const timestamps = (parameter: string): string =>
  `timestamptz 'epoch' + unnest(${parameter}::int8[]) * interval '1 microsecond'`;

const NOTE = /* sql */ `
insert into concord.peer as p (region, beat_at, resolver, source_region, sequence, closed_at, seen, heard_at)
select unnest($1::text[]), ${timestamps('$2')}, unnest($3::int4[]), unnest($4::text[]), unnest($5::int8[]), ${timestamps('$6')},
  unnest($7::text[])::jsonb, clock_timestamp()
on conflict (region) do update set beat_at = excluded.beat_at, resolver = excluded.resolver, source_region = excluded.source_region,
  sequence = excluded.sequence, closed_at = excluded.closed_at, seen = excluded.seen, heard_at = excluded.heard_at
where (concord.incarnation(excluded.source_region), excluded.sequence, excluded.beat_at) > (concord.incarnation(p.source_region), p.sequence, p.beat_at)
  and (excluded.sequence > 0 or excluded.resolver <> p.resolver or excluded.beat_at > p.beat_at + ${PRECISION})`;

/**
 * Somebody has heard a later heartbeat of this region than it has announced, or another one of the same number: this database is an
 * earlier state of itself. A heartbeat commits before it can travel, so both are proof.
 */
const SUSPEND = /* sql */ `
update concord.region r set suspended = w.reason
from concord.region here cross join lateral (
  select format('%s has heard heartbeat %s of %s, %s: it is an earlier state of itself', h.heard_by, h.sequence, h.source_region,
    case when own.beat_at is null then format('and this database has come to %s of %s', m.sequence, here.source_region)
      else format('of %s; the one of this database was of %s', h.beat_at, own.beat_at) end) as reason
  from (select s.heard_by, e.key as source_region, (e.value ->> 0)::int8 as sequence,
      timestamptz 'epoch' + (e.value ->> 1)::int8 * interval '1 microsecond' as beat_at
    from (select unnest($1::text[]) as heard_by, unnest($2::text[])::jsonb as seen) s cross join lateral jsonb_each(s.seen) e) h
  cross join (select coalesce(max(b.sequence), 0) as sequence from concord.heartbeat b) m
  left join concord.beat_fence own on own.sequence = h.sequence and h.source_region = here.source_region
  where split_part(h.source_region, '#', 1) = here.name and (
    concord.incarnation(h.source_region) > here.incarnation
    or (h.source_region = here.source_region and (h.sequence > m.sequence or h.beat_at <> own.beat_at)))
  order by concord.incarnation(h.source_region) desc, h.sequence desc limit 1) w
where r.suspended is null`;

/**
 * Keeps what the heartbeats among these records say of their regions; stops local writes where they prove that this database has lost
 * some. Nothing is sent where there are none.
 */
export async function notePeers(db: Db, records: readonly KafkaRecord[]): Promise<void> {
  const heard = records.flatMap((record) => heartbeatOf(record) ?? []);
  const peers = newest(heard);
  if (peers.length === 0) return;
  const column = (from: readonly Peer[], text: (peer: Peer) => string | number): string =>
    arrayLiteral(from.map((peer) => String(text(peer))));
  const note = send(db, NOTE, [
    column(peers, ({ region }) => region),
    column(peers, ({ beatAtUs }) => beatAtUs),
    column(peers, ({ resolver }) => resolver ?? FIRST_RESOLVER),
    column(peers, ({ sourceRegion }) => sourceRegion),
    column(peers, ({ sequence }) => sequence),
    column(peers, ({ closedUs }) => closedUs),
    column(peers, ({ seen }) => JSON.stringify(seen)),
  ]);
  const telling = heard.filter(({ seen }) => Object.keys(seen).length > 0);
  await Promise.all([
    note,
    telling.length > 0 &&
      send(db, SUSPEND, [column(telling, ({ region }) => region), column(telling, ({ seen }) => JSON.stringify(seen))]),
  ]);
}
