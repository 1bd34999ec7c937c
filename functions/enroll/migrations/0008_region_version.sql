-- Stamp triggers hold their region as constants and ask a sequence whether it is still so: an expression reads that, while a row takes a statement.
-- The number is raised before the row changes for anybody, and is never lowered: where both differ, triggers read the row.

create sequence concord.region_version as bigint no cycle;
select setval('concord.region_version', 1);
alter table concord.region add column version bigint not null default 1;
comment on column concord.region.version is 'Of this row''s name, incarnation, suspension and raised floor. Stamp triggers made from it read concord.region only where concord.region_version is another.';

create function concord.number_region() returns trigger
  language plpgsql security definer set search_path = pg_catalog as $$
begin
  -- The row is locked: nobody else sets the sequence. Not nextval, which skips numbers in a crash.
  new.version := setval('concord.region_version', greatest(old.version, s.last_value) + 1) from concord.region_version s;
  return new;
end $$;

create trigger number before update of name, incarnation, suspended on concord.region
  for each row execute function concord.number_region();
alter table concord.region enable always trigger number;
-- Not for apply, which raises it for keys of lattice tables: their triggers read the row in any case.
create trigger number_floor before update of floor on concord.region
  for each row execute function concord.number_region();

grant select on concord.region_version to concord_operator;
