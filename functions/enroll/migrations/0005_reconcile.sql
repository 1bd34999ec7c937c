-- Closed timestamps, horizons, and what reconciliation keeps.

-- The latest time that heartbeats announce as closed, now or soon, µs since 1970: every local stamp is above it, even where the clock
-- steps back. A sequence, because its value is seen at once by every snapshot, however old, and costs one tuple to read.
create sequence concord.announced as bigint minvalue 0 start 0 no cycle;

alter table concord.region add column suspended text;
comment on column concord.region.suspended is 'Why local writes are refused: the database is an earlier state of itself, and its new incarnation is not in order yet. Null: they are not.';

-- The last thousand heartbeats, and older ones whose fence has not fallen. Whoever gets a transaction id after xid stamps above floor: once
-- all earlier transactions have ended, every local write stamped up to floor has committed. beat_at tells a heartbeat from that of
-- another history with the same number.
create table concord.beat_fence (
  sequence bigint primary key,
  beat_at timestamptz not null,
  floor timestamptz not null,
  xid xid8 not null
);

alter table concord.heartbeat
  add column source_region text collate "C" not null default '',
  add column sequence bigint not null default 0,
  add column closed_at timestamptz not null default 'epoch',
  add column seen jsonb not null default '{}';
comment on column concord.heartbeat.sequence is 'How many heartbeats this region has announced.';
comment on column concord.heartbeat.closed_at is 'Every local write stamped below it has committed.';
comment on column concord.heartbeat.seen is 'The last heartbeat that was heard of each other region: {"us-east-1#2": [its sequence, its beat_at by the clock there, when it was heard by the clock here]}, in µs since 1970.';

alter table concord.peer
  add column source_region text collate "C" not null default '',
  add column sequence bigint not null default 0,
  add column closed_at timestamptz not null default 'epoch',
  add column seen jsonb not null default '{}',
  add column heard_at timestamptz;
comment on column concord.peer.heard_at is 'When its last heartbeat was heard, by the clock here.';

-- What was drained counts as delivered, also where it comes before the topic goes on behind it. A replay delivers nothing anew.
alter table concord.watermark
  add column closed_at timestamptz not null default 'epoch',
  add column delivered int8multirange not null default '{}',
  add column gaps int8multirange not null generated always as (int8multirange(range_merge(delivered)) - delivered) stored,
  add column gap_closed_at timestamptz;
update concord.watermark set delivered = int8multirange(int8range(0, next_offset)) where next_offset > 0;
comment on column concord.watermark.delivered is 'Offsets from the first one that was delivered on.';
comment on column concord.watermark.closed_at is 'The greatest closed timestamp among the heartbeats of this partition: what was stamped before it was delivered, but for the gaps.';
comment on column concord.watermark.gaps is 'Offsets in between that were passed over: given up and not drained yet, or gone with the topic''s retention.';
comment on column concord.watermark.gap_closed_at is 'What closed_at was when the first of the gaps opened; while there are any, that is what counts.';

create view concord.applied_closed as
select topic, partition, least(closed_at, gap_closed_at) as closed_at from concord.watermark;
comment on view concord.applied_closed is 'What was stamped at the topic''s region below closed_at, and is in this partition, was delivered here. A partition without a row: nothing was.';

-- Two heartbeats at once would announce twice the same number; the lock is one that needs no transaction id.
create or replace function concord.beat() returns void
  language plpgsql security definer set search_path = pg_catalog as $$
declare
  stood timestamptz;
  this_beat_at timestamptz;
  this_sequence bigint;
  closed timestamptz;
begin
  perform pg_advisory_xact_lock(hashtextextended('concord.beat', 0));
  -- A transaction that got its id after this one's has not read less than what stands here now. If this one has its id already, that
  -- is not known: such a heartbeat announces what former ones made sure of.
  if pg_current_xact_id_if_assigned() is null then
    select 'epoch'::timestamptz + a.last_value * interval '1 microsecond' into stood from concord.announced a;
  end if;
  perform setval('concord.announced', greatest(a.last_value, (extract(epoch from clock_timestamp()) * 1000000)::bigint)) from concord.announced a;
  select coalesce(max(f.sequence), 0) + 1, clock_timestamp() into this_sequence, this_beat_at from concord.beat_fence f;
  insert into concord.beat_fence (sequence, beat_at, floor, xid)
  values (this_sequence, this_beat_at, coalesce(stood, 'epoch'), pg_current_xact_id());
  select max(f.floor) into closed from concord.beat_fence f where f.xid <= pg_snapshot_xmin(pg_current_snapshot());
  update concord.heartbeat h set beat_at = this_beat_at, sequence = this_sequence, closed_at = greatest(h.closed_at, closed),
    resolver = r.resolver, source_region = r.source_region, seen = p.seen
  from concord.region r, (
    select coalesce(jsonb_object_agg(p.source_region, jsonb_build_array(p.sequence, (extract(epoch from p.beat_at) * 1000000)::bigint,
      (extract(epoch from p.heard_at) * 1000000)::bigint)), '{}') as seen from concord.peer p where p.sequence > 0) p;
  delete from concord.beat_fence f where f.sequence <= this_sequence - 1000 and f.xid <= pg_snapshot_xmin(pg_current_snapshot());
end $$;

create function concord.incarnation(source_region text) returns int
  language sql immutable strict parallel safe
  return coalesce(nullif(split_part(source_region, '#', 2), '')::int, 1);
comment on function concord.incarnation is '2 of us-east-1#2, 1 of us-east-1.';

alter table concord.enrolled_table add column horizon timestamptz not null default '-infinity';
comment on column concord.enrolled_table.horizon is 'Tombstones stamped below it were or will be deleted; it never goes back. A version below it whose key has neither row nor tombstone is parked.';

create table concord.reconciliation (
  run text primary key,
  finished_at timestamptz not null default now(),
  verdict text not null,
  report json not null
);
comment on table concord.reconciliation is 'In the hub: reports of runs.';

grant select on concord.beat_fence, concord.reconciliation, concord.announced, concord.applied_closed to concord_apply, concord_operator, concord_capture;
grant select on concord.heartbeat to concord_apply;
grant update (suspended) on concord.region to concord_apply;
grant select, insert, update, delete on concord.reconciliation to concord_operator;

-- Collection of tombstones and of old reports.

alter table concord.enrolled_table add column swept_blocks bigint;
comment on column concord.enrolled_table.swept_blocks is 'Blocks of the tombstone table that were searched for tombstones below this horizon; null: all of them.';
grant update (horizon, swept_blocks) on concord.enrolled_table to concord_operator;

create function concord.keep_reports(days int) returns void
  language sql security definer set search_path = pg_catalog
  begin atomic
    delete from concord.alert a where a.sent_at < now() - days * interval '1 day';
    delete from concord.reconciliation r where r.finished_at < now() - interval '90 days'
      and r.run not in (select l.run from concord.reconciliation l order by l.finished_at desc, l.run desc limit 100);
  end;
comment on function concord.keep_reports is 'Forgets alerts that were sent longer than so many days ago, and reports older than 90 days but for the last hundred.';
revoke execute on function concord.keep_reports from public;
grant execute on function concord.keep_reports to concord_apply;
