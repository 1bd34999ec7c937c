-- A row per partition of this region's topic, updated every few seconds: the slot moves on, and lag is known, while nobody writes.

create table concord.heartbeat (
  id bigint primary key,
  partition int not null unique,
  beat_at timestamptz not null default clock_timestamp()
);
comment on table concord.heartbeat is 'One row per partition of this region''s topic; enroll chooses each id so that its Kafka key hashes to that partition.';

create function concord.beat() returns void
  language sql security definer set search_path = pg_catalog
  begin atomic
    update concord.heartbeat set beat_at = clock_timestamp();
  end;
comment on function concord.beat is 'The connector''s heartbeat.action.query.';
revoke execute on function concord.beat() from public;

alter publication concord add table concord.heartbeat;
grant select on concord.heartbeat to concord_capture, concord_operator;
grant execute on function concord.beat() to concord_capture;
