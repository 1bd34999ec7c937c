-- What the triggers of lattice tables compute. Bodies are parsed here, so that no caller's search_path reaches into them.

create function concord.life(incarnation jsonb, stamp timestamptz, region text) returns jsonb
  language sql stable parallel safe
  return coalesce(incarnation, jsonb_build_array((extract(epoch from stamp) * 1000000)::int8, region));
comment on function concord.life is 'The incarnation of a version; one of a register table is a life of its own.';

create function concord.is_later_life(a jsonb, b jsonb) returns bool
  language sql immutable parallel safe
  return (a ->> 0)::int8 > (b ->> 0)::int8 or ((a ->> 0)::int8 = (b ->> 0)::int8 and (a ->> 1) collate "C" > (b ->> 1) collate "C");

create function concord.join_vectors(a jsonb, b jsonb) returns jsonb
  language sql immutable parallel safe
  begin atomic
    select coalesce(jsonb_object_agg(e.region, e.stamp), '{}') from (
      select u.key as region, max(u.value::int8) as stamp
      from (select * from jsonb_each_text(a) union all select * from jsonb_each_text(b)) u group by u.key) e;
  end;
comment on function concord.join_vectors is 'The pointwise maximum; only of versions of one life.';

create function concord.join_counters(a jsonb, b jsonb) returns jsonb
  language sql immutable parallel safe
  begin atomic
    select coalesce(jsonb_object_agg(c.name, c.counter), '{}') from (
      select e.name, jsonb_object_agg(e.region, e.entry) as counter from (
        select distinct on (u.key, r.key) u.key as name, r.key as region, r.value as entry
        from (select * from jsonb_each(a) union all select * from jsonb_each(b)) u cross join jsonb_each(u.value) r
        order by u.key, r.key, (r.value ->> 0)::int8 desc) e
      group by e.name) c;
  end;
comment on function concord.join_counters is 'Of each column and region the entry with the later stamp.';

create function concord.begin_counters(totals jsonb, stamp timestamptz, region text) returns jsonb
  language sql stable parallel safe
  begin atomic
    select coalesce(jsonb_object_agg(t.key, jsonb_build_object(region, jsonb_build_array((extract(epoch from stamp) * 1000000)::int8, t.value))), '{}')
    from jsonb_each_text(totals) t;
  end;
comment on function concord.begin_counters is 'Counters of a life that a region begins: {"stock": "10"} is {"stock": {"us-east-1": [<stamp>, "10"]}}.';

create function concord.changed_registers(after anyelement, before anyelement, relation oid, registers jsonb, others text[]) returns text[]
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  name text;
  changes bool;
  changed text[] := '{}';
begin
  for name in select a.attname from pg_catalog.pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' and not a.attname::text = any (others) order by a.attnum
  loop
    execute format('select not row(($1).%1$I)::record *= row(($2).%1$I)::record', name) into changes using after, before;
    if changes and not coalesce(registers ->> name, name) = any (changed) then changed := changed || coalesce(registers ->> name, name); end if;
  end loop;
  return changed;
end $$;
comment on function concord.changed_registers is 'Registers of which a column changed, whatever columns the table has by now: of the time between a migration and enrolling again.';
