-- Without STRICT the planner puts the expression in the place of the call, which halves the cost of an id. No line of the log has a NULL there.

create or replace function concord.conflict_id(table_name text, key jsonb, stamp timestamptz, region text) returns text
  language sql stable
  return encode(sha256(convert_to(jsonb_build_array(table_name, key, (extract(epoch from stamp) * 1000000)::bigint, region)::text, 'UTF8')), 'hex');

create or replace function concord.conflict_id(table_name text, key jsonb, stamp timestamptz, region text, part text) returns text
  language sql stable
  return case when part = '' then concord.conflict_id(table_name, key, stamp, region)
    else encode(sha256(convert_to(jsonb_build_array(table_name, key, (extract(epoch from stamp) * 1000000)::bigint, region, part)::text, 'UTF8')), 'hex') end;
