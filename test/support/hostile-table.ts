import { HOUR_AGO, versionEvent } from './versions.ts';

/** Values of every kind of type, with every kind of constraint. */
export const HOSTILE_SCHEMA = /* sql */ `
create extension hstore; create extension ltree;
create type mood as enum ('happy', 'sad');
create type pair as (a int, b text);
create domain posint as int check (value > 0);
create domain slow as text check (value !~ '^(a+)+$');
create function complain(text) returns boolean language plpgsql as $$ begin raise exception 'no: %', $1; end $$;
create table victims (id bigint primary key, label text, short varchar(5), n int2, m int4, big int8, amount numeric(6,2), f float8,
  flag bool, born date, clock time, at timestamptz, span interval, uid uuid, doc jsonb, raw json, bin bytea, tags text[], nums int[],
  mood mood, pos posint, rng int4range, ip inet, net cidr, mac macaddr, bits bit(3), pt point, poly polygon, x xml, tsv tsvector, tsq tsquery,
  cls regclass, fn regproc, typ regtype, ns regnamespace, jp jsonpath, h hstore, lt ltree, lq lquery, pr pair, lsn pg_lsn, cash money,
  required text not null default 'r', positive int check (positive > 0), email text unique,
  grumpy text check (grumpy is null or grumpy <> 'x' or complain(grumpy)));
create table named (name text primary key, v text);
create table canary (id int primary key, v text);
insert into canary values (1, 'alive');`;

export const HOSTILE_TABLES = ['public.victims', 'public.named'];
export const MAX_RECORD_BYTES = 100_000;

let made = 0;

export type Fields = Record<string, unknown>;

/** An event that nothing is wrong with, of a row of its own. */
export function goodEvent(
  columns: Readonly<Record<string, string | null>> = {},
  kind: 'row' | 'tombstone' = 'row',
): Fields {
  made++;
  return versionEvent({
    table: 'public.victims',
    kind,
    region: 'us-1',
    stamp: HOUR_AGO + made,
    key: { id: String(100_000 + made) },
    columns: { label: 'x', ...columns },
  });
}
