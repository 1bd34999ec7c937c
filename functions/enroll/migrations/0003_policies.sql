-- Policies per table, unique keys, review of conflicts, and the whole life of parked records.

-- Two versions of the join that exist: 1 knows register tables, 2 lattice tables as well. A table takes a policy that needs 2 only
-- once apply runs 2 in every region: each registers what it runs, and its heartbeats carry that to the others.
alter table concord.region add column resolver int not null default 1;
comment on column concord.region.resolver is 'The version of the join that this region''s apply function runs; it registers it itself.';

alter table concord.heartbeat add column resolver int not null default 1;

create or replace function concord.beat() returns void
  language sql security definer set search_path = pg_catalog
  begin atomic
    update concord.heartbeat set beat_at = clock_timestamp(), resolver = (select r.resolver from concord.region r);
  end;

create table concord.peer (
  region text collate "C" primary key,
  resolver int not null,
  beat_at timestamptz not null
);
comment on table concord.peer is 'What the heartbeats of the other regions say.';

alter table concord.enrolled_table
  add column options jsonb not null default '{}',
  add column pending jsonb,
  add column rollout text not null default 'live' check (rollout in ('off', 'shadow', 'live')),
  add column review text not null default 'log' check (review in ('log', 'alert', 'manual'));
comment on column concord.enrolled_table.options is 'The policy that this table''s triggers follow, with groups, counters and delete.';
comment on column concord.enrolled_table.pending is 'The policy that the topology asks for and that waits for other regions'' apply functions.';
comment on column concord.enrolled_table.rollout is 'off: its records are passed over. shadow: decided and counted, nothing written. live.';

alter table concord.watermark
  add column skipped bigint not null default 0,
  add column promoted bigint not null default 0;
comment on column concord.watermark.skipped is 'Records of tables that are not live here; they are not received.';

-- What shadow would have done.
create table concord.shadow (
  table_name text not null,
  outcome text not null,
  records bigint not null default 0,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  primary key (table_name, outcome)
);
comment on table concord.shadow is 'Of tables in shadow: what would have become of their records. Outcomes, and conflict kinds as conflict:<kind>.';

-- Live rows that are not visible, because an earlier row holds one of their unique values.
create table concord.limbo (
  table_name text not null,
  key jsonb not null,
  event json not null,
  stamp timestamptz not null,
  region text collate "C" not null,
  held_by jsonb,
  topic text collate "C",
  partition int,
  held_at timestamptz not null default now(),
  primary key (table_name, key)
);
comment on table concord.limbo is 'Held rows, complete: event is the row as its change event carries it, every value as text, stamps included. topic and partition: where it was delivered, if it was.';

-- The log by the day of the loser's stamp: the same conflict meets itself in the same partition, and old days go as a whole.
alter table concord.conflict rename to conflict_before;
alter index concord.conflict_pkey rename to conflict_before_pkey;

create table concord.conflict (
  id text not null,
  table_name text not null,
  key jsonb not null,
  kind text not null,
  rule text not null,
  part text not null default '',
  amount numeric,
  loser_kind text not null,
  loser_stamp timestamptz not null,
  loser_region text collate "C" not null,
  loser_vector jsonb not null,
  loser_image json,
  winner_kind text not null,
  winner_stamp timestamptz not null,
  winner_region text collate "C" not null,
  winner_vector jsonb not null,
  winner_image json,
  review text not null default 'log',
  state text not null default 'logged' check (state in ('logged', 'open', 'reinstated', 'dismissed')),
  decided_by text,
  decided_at timestamptz,
  logged_at timestamptz not null default now(),
  logged_xid xid8 not null default pg_current_xact_id(),
  primary key (id, loser_stamp)
) partition by range (loser_stamp);
comment on table concord.conflict is 'Versions that lost to a concurrent one. The id is the digest of table, key and the loser, so it is the same in every region.';
comment on column concord.conflict.part is 'Empty: the whole version. Else the columns of a register, or column+stamp of lost increments: the amount is all that the region had added up to there and the winner had not seen.';

create table concord.conflict_other partition of concord.conflict default;
insert into concord.conflict (id, table_name, key, kind, rule, loser_kind, loser_stamp, loser_region, loser_vector, loser_image,
  winner_kind, winner_stamp, winner_region, winner_vector, logged_at)
select id, table_name, key, kind, rule, loser_kind, loser_stamp, loser_region, loser_vector, loser_image,
  winner_kind, winner_stamp, winner_region, winner_vector, logged_at from concord.conflict_before;
drop table concord.conflict_before;
create index conflict_logged on concord.conflict (logged_xid);
create index conflict_table on concord.conflict (table_name, kind);
create index conflict_logged_at on concord.conflict (logged_at, id);
create index conflict_open on concord.conflict (loser_stamp) where state = 'open';

-- The digest of 0001, and for a part of a version that part as well.
create function concord.conflict_id(table_name text, key jsonb, stamp timestamptz, region text, part text) returns text
  language sql stable strict
  return case when part = '' then concord.conflict_id(table_name, key, stamp, region)
    else encode(sha256(convert_to(jsonb_build_array(table_name, key, (extract(epoch from stamp) * 1000000)::bigint, region, part)::text, 'UTF8')), 'hex') end;

-- How many there were, also of days that are gone. Appended to, so that no applier waits for another, and folded now and then.
create table concord.conflict_count (
  table_name text not null,
  kind text not null,
  conflicts bigint not null,
  last_at timestamptz not null
);
create view concord.conflict_total as
select table_name, kind, sum(conflicts)::bigint as conflicts, max(last_at) as last_at from concord.conflict_count group by table_name, kind;
insert into concord.conflict_count select table_name, kind, count(*), max(logged_at) from concord.conflict group by table_name, kind;

create table concord.upkeep (
  task text primary key,
  done_at timestamptz not null default '-infinity'
);
comment on table concord.upkeep is 'What is done now and then, and when it was done last.';
insert into concord.upkeep (task) values ('conflicts');

-- A partition is attached, not created in place: that locks the log against nothing but DDL, and only conflict_other entirely.
create function concord.add_conflict_day(day date) returns void
  language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare
  name text := 'conflict_' || to_char(day, 'YYYYMMDD');
  next date := day + 1;
begin
  if to_regclass('concord.' || name) is not null then return; end if;
  execute format('create table concord.%I (like concord.conflict including all)', name);
  lock table concord.conflict_other in access exclusive mode;
  execute format('with moved as (delete from concord.conflict_other where loser_stamp >= $1 and loser_stamp < $2 returning *)
    insert into concord.%I select * from moved', name) using day::timestamptz, next::timestamptz;
  execute format('alter table concord.conflict attach partition concord.%I for values from (%L) to (%L)', name, day::timestamptz, next::timestamptz);
end $$;
comment on function concord.add_conflict_day is 'The partition of the conflict log for the losers of a day (UTC).';

-- Open conflicts stay, in conflict_other: one that is forgotten would otherwise keep all the lines of its day.
create function concord.drop_conflict_day(name text) returns void
  language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
begin
  execute format('alter table concord.conflict detach partition concord.%I', name);
  execute format('insert into concord.conflict select * from concord.%I where state = ''open''', name);
  execute format('drop table concord.%I', name);
end $$;
comment on function concord.drop_conflict_day is 'Drops a partition of the conflict log, but for what is open.';

-- The lock timeout is shorter than apply's: whoever queues behind a lock that is waited for here waits no longer than that.
create function concord.keep_conflicts(days int) returns void
  language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' set lock_timeout = '300ms' as $$
declare
  today date := current_date;
  name text;
begin
  perform from concord.upkeep u where u.task = 'conflicts' for update skip locked;
  if not found then return; end if;
  update concord.upkeep u set done_at = clock_timestamp() where u.task = 'conflicts';
  with folded as (delete from concord.conflict_count returning *)
  insert into concord.conflict_count select f.table_name, f.kind, sum(f.conflicts), max(f.last_at) from folded f group by f.table_name, f.kind;
  delete from concord.conflict_other c
  where c.state <> 'open' and c.loser_stamp < (today - days)::timestamptz and c.logged_at < (today - days)::timestamptz;
  for name in select to_char(today + n, 'YYYYMMDD') from generate_series(-1, 3) n loop
    begin
      perform concord.add_conflict_day(name::date);
    exception when lock_not_available or deadlock_detected then
      raise log 'concord: the conflict log is in use, its partition % is made later', name;
    end;
  end loop;
  for name in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'concord.conflict'::regclass and c.relname ~ '^conflict_[0-9]{8}$' and substr(c.relname, 10)::date < today - days
    order by c.relname
  loop
    begin
      perform concord.drop_conflict_day(name);
    exception when lock_not_available or deadlock_detected then
      raise log 'concord: the conflict log is in use, its partition % is dropped later', name;
    end;
  end loop;
end $$;
comment on function concord.keep_conflicts is 'Partitions of the conflict log for the days around today; drops those of losers older than so many days, but for what is open.';
revoke execute on function concord.add_conflict_day, concord.drop_conflict_day, concord.keep_conflicts from public;
select concord.keep_conflicts(10000);

alter table concord.parked add column archived_at timestamptz, add column last_tried_at timestamptz, add column via text default 'unknown';
alter table concord.parked alter column via drop default;
comment on column concord.parked.via is 'Null: its topic delivered it, so that partition''s counts hold it. Else who handed it to apply.';
comment on column concord.parked.archived_at is 'Set when all tries were in vain: kept until somebody redrives or removes it.';
create index parked_table on concord.parked (table_name);

-- The hub: which conflicts of all regions were sent to people. One row per conflict, whoever logged it.
create table concord.alert (
  conflict_id text primary key,
  conflict json not null,
  seen_in text[] not null,
  attempts int not null default 0,
  next_try_at timestamptz default now(),
  sent_to text[] not null default '{}',
  sent_at timestamptz,
  error text
);
comment on column concord.alert.next_try_at is 'Null: sent, or given up where sent_at is null as well.';
create index alert_due on concord.alert (next_try_at) where next_try_at is not null;
create index alert_given_up on concord.alert (conflict_id) where next_try_at is null and sent_at is null;

create table concord.alert_cursor (
  region text collate "C" primary key,
  next_xid xid8 not null,
  read_at timestamptz not null default now()
);
comment on table concord.alert_cursor is 'Of each region and incarnation: conflicts logged by this transaction or a later one have not been read yet.';

revoke delete on concord.parked from concord_operator;
grant select on concord.peer, concord.limbo, concord.shadow, concord.conflict_total, concord.upkeep, concord.alert, concord.alert_cursor to concord_apply, concord_operator;
grant select, insert on concord.conflict to concord_apply;
grant insert, update on concord.peer, concord.shadow to concord_apply;
grant insert on concord.conflict_count to concord_apply;
grant execute on function concord.keep_conflicts to concord_apply;
grant insert, update, delete on concord.limbo to concord_apply;
grant update (resolver, floor) on concord.region to concord_apply;
grant select, update (state, decided_by, decided_at) on concord.conflict to concord_operator;
grant update (rollout) on concord.enrolled_table to concord_operator;
grant update (retry_at, attempts, archived_at) on concord.parked to concord_operator;
grant insert, update on concord.alert, concord.alert_cursor to concord_operator;
