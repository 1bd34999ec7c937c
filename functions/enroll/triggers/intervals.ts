import { type Db, literal, rowsOf, type Table } from '@concord/runtime';

const INTERVAL_COLUMNS = /* sql */ `
with recursive base as (
  select attname as name, atttypid as type from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
  union all select b.name, t.typbasetype from base b join pg_type t on t.oid = b.type where t.typtype = 'd')
select name from base where type = 'interval'::regtype order by 1`;

/** Columns of type interval, also behind domains. Not arrays and composites: Debezium leaves their text alone. */
export async function readIntervalColumns(db: Db, table: Table): Promise<string[]> {
  return (await db.unsafe<{ name: string }[]>(INTERVAL_COLUMNS, [rowsOf(table)])).map(({ name }) => name);
}

/** What an interval that cannot travel prints, in any style, and little else does: so that most rows are not parsed. */
const SUSPECT = `'infinity|[0-9]{10}( hour|[:H])'`;

/**
 * Refuses what cannot travel: Debezium makes an infinite interval an empty one, and hours beyond 32 bits stop it for ever. A
 * look-up by name survives a dropped column; only a suspect row is taken apart, because that fails for some values of json (0x00).
 */
export const refuseIntervals = (columns: readonly string[]): string =>
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
