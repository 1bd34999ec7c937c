-- Everything of Concord that belongs to a region's database and not to one enrolled table.

create table concord.region (
  singleton boolean primary key default true check (singleton),
  name text collate "C" not null,
  incarnation int not null default 1 check (incarnation > 0),
  source_region text collate "C" not null generated always as (case when incarnation = 1 then name else name || '#' || incarnation end) stored,
  floor timestamptz not null default '-infinity'
);
comment on table concord.region is 'Which region this database is. The stamp trigger reads it: no local stamp is lower than floor.';

create table concord.enrolled_table (
  table_name text primary key,
  policy text not null,
  former_identities jsonb not null,
  former_sequences jsonb not null,
  enrolled_at timestamptz not null default now()
);
comment on table concord.enrolled_table is 'Enrolled tables, and what un-enrolling has to give back.';

create table concord.watermark (
  topic text collate "C",
  partition int,
  next_offset bigint not null default 0,
  source_at timestamptz,
  applied_at timestamptz,
  received bigint not null default 0,
  applied bigint not null default 0,
  superseded bigint not null default 0,
  held bigint not null default 0,
  parked bigint not null default 0,
  conflicts bigint not null default 0,
  attempt_offset bigint,
  attempts int not null default 0,
  suspect_offset bigint,
  primary key (topic, partition),
  check (applied + superseded + held + parked = received)
) with (fillfactor = 50);
comment on table concord.watermark is 'Progress and accounting per topic-partition. It never decides about a record.';

create table concord.conflict (
  id text primary key,
  table_name text not null,
  key jsonb not null,
  kind text not null,
  rule text not null,
  loser_kind text not null,
  loser_stamp timestamptz not null,
  loser_region text collate "C" not null,
  loser_vector jsonb not null,
  loser_image json,
  winner_kind text not null,
  winner_stamp timestamptz not null,
  winner_region text collate "C" not null,
  winner_vector jsonb not null,
  logged_at timestamptz not null default now()
);
comment on table concord.conflict is 'Versions that lost to a concurrent one. The id is the digest of table, key and the loser, so it is the same in every region.';

create table concord.parked (
  id bigint generated always as identity primary key,
  topic text collate "C" not null,
  partition int not null,
  "offset" bigint not null,
  table_name text,
  stamp timestamptz,
  reason text not null,
  error text not null,
  key bytea,
  value bytea,
  attempts int not null default 0,
  retry_at timestamptz,
  parked_at timestamptz not null default now()
);
create unique index parked_record on concord.parked (topic, partition, "offset", md5(coalesce(value, '')));
create index parked_retry on concord.parked (retry_at) where retry_at is not null;
comment on table concord.parked is 'Records that could not be applied, with their raw bytes. retry_at is set where trying again by itself can help.';

create table concord.unsettled (
  table_name text not null,
  key text[] not null,
  fence xid8
);
create index unsettled_table on concord.unsettled (table_name);
comment on table concord.unsettled is 'Applied tombstones whose row was absent: a local insert in flight may not have seen them yet.';

create function concord.conflict_id(table_name text, key jsonb, stamp timestamptz, region text) returns text
  language sql stable strict
  return encode(sha256(convert_to(jsonb_build_array(table_name, key, (extract(epoch from stamp) * 1000000)::bigint, region)::text, 'UTF8')), 'hex');
comment on function concord.conflict_id is 'The id of a conflict: the digest of table, key and the loser, never of the pair, which differs by arrival order.';

create function concord.refuse_truncate() returns trigger language plpgsql as $$
begin
  raise exception 'concord: TRUNCATE of the enrolled table %.% is refused: it leaves no tombstones', tg_table_schema, tg_table_name
    using errcode = 'feature_not_supported', hint = 'Use DELETE, or un-enroll the table first.';
end $$;

create publication concord with (publish = 'insert, update', publish_via_partition_root = true);
-- PostgreSQL 18 refuses updates under REPLICA IDENTITY FULL where a stored generated column is not published.
do $$ begin
  if current_setting('server_version_num')::int >= 180000 then
    alter publication concord set (publish_generated_columns = stored);
  end if;
end $$;

do $$
declare role text;
begin
  foreach role in array array['concord_capture', 'concord_apply', 'concord_operator'] loop
    if not exists (select from pg_roles where rolname = role) then execute format('create role %I login', role); end if;
  end loop;
  -- What PostgreSQL prints and reads depends on these; both ends of the path pin them.
  foreach role in array array['concord_capture', 'concord_apply'] loop
    execute format('alter role %I set timezone = ''UTC''', role);
    execute format('alter role %I set datestyle = ''ISO, MDY''', role);
    execute format('alter role %I set intervalstyle = ''postgres''', role);
    execute format('alter role %I set bytea_output = ''hex''', role);
    execute format('alter role %I set extra_float_digits = 1', role);
    execute format('alter role %I set lc_monetary = ''C''', role);
    execute format('alter role %I set xmloption = ''content''', role);
  end loop;
  alter role concord_apply set session_replication_role = replica;
  alter role concord_apply set default_transaction_isolation = 'read committed';
end $$;
-- On RDS nobody may give the attribute; its own role stands for it.
do $$ begin
  if exists (select from pg_roles where rolname = 'rds_replication') then grant rds_replication to concord_capture;
  else alter role concord_capture replication; end if;
end $$;

grant usage on schema concord to concord_capture, concord_apply, concord_operator;
grant select on concord.region, concord.enrolled_table to concord_capture, concord_apply, concord_operator;
grant execute on function concord.conflict_id to concord_apply, concord_operator;
grant select, insert, update on concord.watermark to concord_apply;
grant select, insert on concord.conflict to concord_apply;
grant select, insert, update, delete on concord.parked, concord.unsettled to concord_apply;
grant select on concord.watermark, concord.conflict, concord.parked, concord.unsettled to concord_operator;
grant update (retry_at), delete on concord.parked to concord_operator;
