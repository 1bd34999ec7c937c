export const SCHEMA = /* sql */ `
create type mood as enum ('sad', 'so so', 'happy');
create table users (id bigint primary key, email text unique, name text, doc json, folded text generated always as (lower(name)) stored);
create table pairs (hall text collate "C", seat numeric, at timestamptz, v text, primary key (hall, seat, at));
create table moods (mood mood, day date, v text, primary key (mood, day));
create table codes (code text primary key, v int);
create table blobs (id uuid primary key, b bytea);
create table stocks (id int primary key, n bigint not null default 0, v text);
create table owners (id int primary key);
create table pets (id int primary key, owner int references owners, tag int);`;
export const PLAIN = ['users', 'pairs', 'moods', 'codes', 'blobs', 'owners', 'pets'].map((name) => `public.${name}`);
export const TABLES = [...PLAIN, 'public.stocks'];
/** Filled the same in both regions: stamps are made here, because triggers would make others in each. */
export const STAMPS = `1, timestamptz '2026-01-01' + i * interval '1 second', 'eu-1', 7, jsonb_build_object('eu-1', 1767225600000000 + i * 1000000::int8), false`;
export const FILL: Readonly<Record<string, string>> = {
  users: `insert into users (id, email, name, doc, _version, _last_updated, _source_region, _tx_id, _version_vector, _local) select i * 3, 'e' || i, 'N' || i, '{"a":  1}', ${STAMPS} from generate_series(1, 400) i`,
  pairs: `insert into pairs select chr(65 + i % 60), i / 10.0, timestamptz '2026-01-01' + i * interval '1 day', 'v', ${STAMPS} from generate_series(1, 300) i`,
  moods: `insert into moods select (enum_range(null::mood))[1 + i % 3], date '2026-01-01' - i, 'v', ${STAMPS} from generate_series(1, 200) i`,
  codes: `insert into codes select chr(65 + i % 58) || 'é' || i, i, ${STAMPS} from generate_series(1, 300) i`,
  blobs: `insert into blobs select md5(i::text)::uuid, '\\x00ff', ${STAMPS} from generate_series(1, 300) i`,
};
