import { type Db, ident, literal, sameKey, type Table } from '@concord/runtime';
import { functionName, rowTable, TRIGGERS, tombstoneTable } from './names.ts';

/*
 * The functions run with their owner's rights (the application may not read tombstones) and under the caller's search_path
 * (a touch runs the users' triggers), so every type, function and operator is qualified.
 */
const HEAD = 'returns trigger language plpgsql security definer as';

/** A name may hold any tag: lengthen it until it does not occur. */
function dollarQuoted(body: string): string {
  let tag = '$concord$';
  while (body.includes(tag)) tag = tag.replace(/\$$/, '_$');
  return `${tag}${body}${tag}`;
}

const MICROSECOND = `'1 microsecond'::pg_catalog.interval`;

const newer = (a: string, b: string): string =>
  `(${a}._last_updated operator(pg_catalog.>) ${b}._last_updated or (${a}._last_updated operator(pg_catalog.=) ${b}._last_updated
      and ${a}._source_region operator(pg_catalog.>) ${b}._source_region collate pg_catalog."C"))`;

const micros = (stamp: string): string =>
  `(pg_catalog.extract('epoch', ${stamp}) operator(pg_catalog.*) 1000000)::pg_catalog.int8`;

const keyList = (table: Table, alias?: string): string =>
  table.key.map(({ name }) => (alias === undefined ? ident(name) : `${alias}.${ident(name)}`)).join(', ');

const INTERVAL_COLUMNS = /* sql */ `
with recursive base as (
  select attname as name, atttypid as type from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
  union all select b.name, t.typbasetype from base b join pg_type t on t.oid = b.type where t.typtype = 'd')
select name from base where type = 'interval'::regtype order by 1`;

/** Columns of type interval, also behind domains. Not arrays and composites: Debezium leaves their text alone. */
export async function readIntervalColumns(db: Db, table: Table): Promise<string[]> {
  return (await db.unsafe<{ name: string }[]>(INTERVAL_COLUMNS, [rowTable(table)])).map(({ name }) => name);
}

/** What an interval that cannot travel prints, in any style, and little else does: so that most rows are not parsed. */
const SUSPECT = `'infinity|[0-9]{10}( hour|[:H])'`;

/**
 * Refuses what cannot travel: Debezium makes an infinite interval an empty one, and hours beyond 32 bits stop it for ever. A
 * look-up by name survives a dropped column; only a suspect row is taken apart, because that fails for some values of json (0x00).
 */
const refuseIntervals = (columns: readonly string[]): string =>
  columns
    .map((name) => {
      const text = `(pg_catalog.to_jsonb(new) operator(pg_catalog.->>) ${literal(name)})`;
      return `
  if pg_catalog.row_to_json(new)::pg_catalog.text operator(pg_catalog.~) ${SUSPECT} then
    if ${text} operator(pg_catalog.~~) '%infinity%' then
      raise exception 'concord: column % holds an infinite interval, which cannot travel', ${literal(name)} using errcode = 'datetime_field_overflow';
    elsif pg_catalog.abs(pg_catalog.extract('hour', ${text}::pg_catalog.interval)) operator(pg_catalog.>) 2147483647 then
      raise exception 'concord: column % holds an interval of more than 2147483647 hours, which cannot travel', ${literal(name)} using errcode = 'datetime_field_overflow';
    end if;
  end if;`;
    })
    .join('');

/**
 * Stored generated columns are still NULL in NEW: compare as if they were OLD's (PostgreSQL computes them afterwards). A look-up
 * by name survives a dropped column; a way through JSON would lose `json` as written and the lower bounds of arrays.
 */
const keepGenerated = (table: Table): string =>
  table.columns
    .filter((column) => column.generated)
    .map(
      ({ name }) => `
    if exists (select from pg_catalog.pg_attribute a where a.attrelid operator(pg_catalog.=) tg_relid
      and a.attname operator(pg_catalog.=) ${literal(name)}::pg_catalog.name and not a.attisdropped) then
      new.${ident(name)} := old.${ident(name)};
    end if;`,
    )
    .join('');

/**
 * BEFORE INSERT OR UPDATE: makes the version of a local write (`nextVersion` of layers/conflict in SQL). The order matters
 * for the fences: transaction id, tombstone, clock. A no-op update keeps its version, or it would beat a concurrent change.
 */
export const stampFunction = (table: Table, intervals: readonly string[]): string => /* sql */ `
create or replace function ${functionName(table, 'stamp')}() ${HEAD} ${dollarQuoted(`
declare
  xid pg_catalog.int8 := pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8;
  here pg_catalog.record;
  tomb pg_catalog.record;
  buried pg_catalog.bool := false;
  same_key pg_catalog.bool := false;
  same_row pg_catalog.bool := false;
  writes pg_catalog.int8 := 0;
  parent pg_catalog.timestamptz;
  vector pg_catalog.jsonb := '{}';
begin${refuseIntervals(intervals)}
  if tg_op operator(pg_catalog.=) 'UPDATE' then
    parent := old._last_updated;
    writes := old._version;
    same_key := ${sameKey(table, 'old', 'new')};
    if same_key then vector := old._version_vector; end if;
    new._version := old._version; new._last_updated := old._last_updated; new._source_region := old._source_region;
    new._tx_id := old._tx_id; new._version_vector := old._version_vector; new._local := old._local;${keepGenerated(table)}
    same_row := new operator(pg_catalog.*=) old;
  end if;
  if not same_key or same_row or old._tx_id operator(pg_catalog.=) xid then
    select b._version, b._last_updated, b._source_region, b._version_vector into tomb
      from ${tombstoneTable(table)} b where ${sameKey(table, 'b', 'new')};
    buried := found;
  end if;
  if same_row then
    if not buried then return new; end if;
    if ${newer('old', 'tomb')} then return new; end if;
  end if;
  if buried then
    writes := greatest(writes, tomb._version);
    parent := greatest(parent, tomb._last_updated);
    if not same_key then
      vector := tomb._version_vector;
    elsif ${newer('tomb', 'old')} then
      vector := tomb._version_vector;
    end if;
  end if;
  select r.source_region, r.floor into here from concord.region r;
  new._version := writes operator(pg_catalog.+) 1::pg_catalog.int8;
  new._last_updated := greatest(pg_catalog.clock_timestamp(), parent operator(pg_catalog.+) ${MICROSECOND}, here.floor);
  new._source_region := here.source_region;
  new._tx_id := xid;
  new._version_vector := vector operator(pg_catalog.||) pg_catalog.jsonb_build_object(here.source_region, ${micros('new._last_updated')});
  new._local := true;
  return new;
end `)}`;

/** AFTER DELETE, and AFTER UPDATE of the key: the tombstone of the old key, in the same transaction. */
export const buryFunction = (table: Table): string => /* sql */ `
create or replace function ${functionName(table, 'bury')}() ${HEAD} ${dollarQuoted(`
declare
  here pg_catalog.record;
begin
  select r.source_region, r.floor into here from concord.region r;
  insert into ${tombstoneTable(table)} as b (${keyList(table)}, image, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
  select ${keyList(table, 'old')}, pg_catalog.row_to_json(old), old._version operator(pg_catalog.+) 1::pg_catalog.int8, s.stamp, here.source_region,
    pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8,
    old._version_vector operator(pg_catalog.||) pg_catalog.jsonb_build_object(here.source_region, ${micros('s.stamp')}), true
  from (select greatest(pg_catalog.clock_timestamp(), old._last_updated operator(pg_catalog.+) ${MICROSECOND}, here.floor) as stamp) s
  on conflict (${keyList(table)}) do update set
    ${table.key.map(({ name }) => `${ident(name)} = excluded.${ident(name)}`).join(', ')},
    image = excluded.image,
    _version = greatest(excluded._version, b._version operator(pg_catalog.+) 1::pg_catalog.int8),
    _last_updated = greatest(excluded._last_updated, b._last_updated operator(pg_catalog.+) ${MICROSECOND}),
    _source_region = excluded._source_region,
    _tx_id = excluded._tx_id,
    _version_vector = case when ${newer('b', 'old')} then b._version_vector else old._version_vector end
      operator(pg_catalog.||) pg_catalog.jsonb_build_object(here.source_region,
        ${micros(`greatest(excluded._last_updated, b._last_updated operator(pg_catalog.+) ${MICROSECOND})`)}),
    _local = true;
  return null;
end `)}`;

const BLANK = `null, 0, '-infinity'::pg_catalog.timestamptz, '', 0, '{}'::pg_catalog.jsonb, false`;

/**
 * AFTER INSERT, and AFTER UPDATE of the key: where no row existed nothing could be locked, so look again. A snapshot older
 * than this statement hides tombstones; inserting a blank one then raises 40001 exactly where it hides one.
 */
export const checkFunction = (table: Table): string => /* sql */ `
create or replace function ${functionName(table, 'check')}() ${HEAD} ${dollarQuoted(`
begin
  if pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.<>) 'read committed' then
    insert into ${tombstoneTable(table)} (${keyList(table)}, image, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
    values (${keyList(table, 'new')}, ${BLANK}) on conflict do nothing;
    if found then
      delete from ${tombstoneTable(table)} b where ${sameKey(table, 'b', 'new')};
      return null;
    end if;
  end if;
  if exists (select from ${tombstoneTable(table)} b where ${sameKey(table, 'b', 'new')} and not ${newer('new', 'b')}) then
    update ${rowTable(table)} t set _version = t._version where ${sameKey(table, 't', 'new')};
  end if;
  return null;
end `)}`;

/** Statements that (re)create the triggers of a table. TRUNCATE triggers do not reach partitions: each gets its own. */
export function triggerStatements(table: Table, partitions: readonly string[]): string[] {
  const on = rowTable(table);
  const keyChanged = `not (${sameKey(table, 'old', 'new')})`;
  const make = (name: string, when: string, run: string): string =>
    `create or replace trigger ${ident(name)} ${when} execute function ${run}()`;
  return [
    make(TRIGGERS.stamp, `before insert or update on ${on} for each row`, functionName(table, 'stamp')),
    make(TRIGGERS.bury, `after delete on ${on} for each row`, functionName(table, 'bury')),
    make(TRIGGERS.buryOldKey, `after update on ${on} for each row when (${keyChanged})`, functionName(table, 'bury')),
    make(TRIGGERS.check, `after insert on ${on} for each row`, functionName(table, 'check')),
    make(TRIGGERS.checkNewKey, `after update on ${on} for each row when (${keyChanged})`, functionName(table, 'check')),
    ...[on, ...partitions].map((name) =>
      make(TRIGGERS.truncate, `before truncate on ${name} for each statement`, 'concord.refuse_truncate'),
    ),
  ];
}
