-- How far first loads of tables have come.

create table concord.load (
  table_name text primary key,
  source text not null,
  after json not null,
  rows bigint not null,
  changed_at timestamptz not null default now()
);
comment on table concord.load is 'First loads that have not ended: everything of the source up to and without the key `after` is here. Going off or into shadow forgets it.';

grant select, insert, update, delete on concord.load to concord_operator;
grant update (horizon) on concord.enrolled_table to concord_operator;
grant update (incarnation, floor, suspended) on concord.region to concord_operator;
grant delete on concord.watermark, concord.peer to concord_operator;
grant update (delivered, gap_closed_at) on concord.watermark to concord_operator;
