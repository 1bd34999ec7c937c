import { LATTICE_COLUMNS } from '@concord/events';
import { ident, rowsOf, sameKey, tombstonesOf } from '@concord/runtime';
import { STAMP_COLUMN_NAMES } from '../columns.ts';
import { functionName } from '../names.ts';
import { refuseIntervals } from './intervals.ts';
import type { TriggerSpec } from './spec.ts';
import {
  clock,
  EMPTY,
  keepGenerated,
  keepOld,
  keyList,
  latest,
  MICROSECOND,
  newer,
  READ_HERE,
  TRANSACTION,
  triggerFunction,
  withEntry,
} from './sql.ts';
import { CLAIM, fromHeld, heldValue, isHeldBack, refuseHidden, releaseHeld, setClaim, whereHeld } from './unique.ts';

/** Of a table that was a lattice before, a stored version may have seen stamps above its own. */
const seenBy = ({ table }: TriggerSpec, alias: string): string =>
  table.lattice ? latest(alias) : `${alias}._last_updated`;

const noLattice = ({ table }: TriggerSpec): string =>
  table.lattice ? `\n  ${LATTICE_COLUMNS.map((name) => `new.${name} := null;`).join(' ')}` : '';

const metadata = ({ table }: TriggerSpec): readonly string[] => [
  ...STAMP_COLUMN_NAMES,
  ...(table.lattice ? LATTICE_COLUMNS : []),
  ...(table.claims ? [CLAIM] : []),
];

/** The tombstone of NEW's key, or the row that is held under it, whichever is newer, as `tomb`; `seen`: above all of its stamps. */
function lookUp(spec: TriggerSpec): string {
  const { table } = spec;
  const columns = `b._version, b._last_updated, b._source_region, b._version_vector, ${seenBy(spec, 'b')} as seen`;
  const buried = `from ${tombstonesOf(table)} b where ${sameKey(table, 'b', 'new')}`;
  if (!isHeldBack(spec)) return `select ${columns} into tomb ${buried}`;
  const held = `select ${heldValue('_version', 'int8')} as _version, l.stamp as _last_updated, l.region as _source_region,
        ${heldValue('_version_vector', 'jsonb')} as _version_vector from ${fromHeld(spec)}`;
  return whereHeld(
    spec,
    `select s.* into tomb from (select ${columns} ${buried}
      union all select b.*, ${seenBy(spec, 'b')} from (${held}) b) s
      order by s._last_updated desc, s._source_region collate pg_catalog."C" desc limit 1`,
    `select ${columns} into tomb ${buried}`,
  );
}

/**
 * BEFORE INSERT OR UPDATE: makes the version of a local write (`nextVersion` of layers/conflict in SQL). The order matters
 * for the fences: transaction id, tombstone, clock. A no-op update keeps its version, or it would beat a concurrent change.
 */
export const stampRegister = (spec: TriggerSpec): string =>
  triggerFunction(
    functionName(spec.table, 'stamp'),
    `
declare
  xid pg_catalog.int8 := ${TRANSACTION};
  here pg_catalog.record;
  tomb pg_catalog.record;
  buried pg_catalog.bool := false;
  same_key pg_catalog.bool := false;
  same_row pg_catalog.bool := false;
  above pg_catalog.bool := true;
  writes pg_catalog.int8 := 0;
  parent pg_catalog.timestamptz;
  stamp pg_catalog.timestamptz;
  vector pg_catalog.jsonb := ${EMPTY};
begin${refuseIntervals(spec.intervals)}
  if tg_op operator(pg_catalog.=) 'UPDATE' then
    parent := ${seenBy(spec, 'old')};
    writes := old._version;
    same_key := ${sameKey(spec.table, 'old', 'new')};
    if same_key then vector := old._version_vector; end if;
    ${keepOld(metadata(spec))}${keepGenerated(spec.table)}
    same_row := new operator(pg_catalog.*=) old;
  end if;
  if not same_key or same_row or old._tx_id operator(pg_catalog.=) xid then
    ${lookUp(spec)};
    buried := tomb._version is not null;
    if buried and same_key then above := ${newer('old', 'tomb')}; end if;
  end if;
  if same_row and above then return new; end if;
  if buried then
    writes := greatest(writes, tomb._version);
    parent := greatest(parent, tomb.seen);
    if not same_key or not above then vector := tomb._version_vector; end if;
  end if;
  ${READ_HERE}
  stamp := greatest(${clock(spec.bonusMs)}, parent operator(pg_catalog.+) ${MICROSECOND}, here.floor);
  new._version := writes operator(pg_catalog.+) 1::pg_catalog.int8;
  new._last_updated := stamp;
  new._source_region := here.source_region;
  new._tx_id := xid;
  new._version_vector := ${withEntry('vector', 'here.source_region', 'stamp')};
  new._local := true;${noLattice(spec)}${setClaim(spec, 'not same_key or not above')}
  return new;
end `,
  );

/** AFTER DELETE, and AFTER UPDATE of the key: the tombstone of the old key, in the same transaction. */
export const buryRegister = (spec: TriggerSpec): string => {
  const { table } = spec;
  const above = `greatest(excluded._last_updated, ${seenBy(spec, 'b')} operator(pg_catalog.+) ${MICROSECOND})`;
  return triggerFunction(
    functionName(table, 'bury'),
    `
declare
  here pg_catalog.record;
begin
  ${READ_HERE}
  insert into ${tombstonesOf(table)} as b (${keyList(table)}, image, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
  select ${keyList(table, 'old')}, pg_catalog.row_to_json(old), old._version operator(pg_catalog.+) 1::pg_catalog.int8, s.stamp, here.source_region,
    ${TRANSACTION}, ${withEntry('old._version_vector', 'here.source_region', 's.stamp')}, true
  from (select greatest(${clock(spec.bonusMs)}, ${seenBy(spec, 'old')} operator(pg_catalog.+) ${MICROSECOND}, here.floor) as stamp) s
  on conflict (${keyList(table)}) do update set
    ${table.key.map(({ name }) => `${ident(name)} = excluded.${ident(name)}`).join(', ')},
    image = excluded.image,
    _version = greatest(excluded._version, b._version operator(pg_catalog.+) 1::pg_catalog.int8),
    _last_updated = ${above},
    _source_region = excluded._source_region,
    _tx_id = excluded._tx_id,
    _version_vector = ${withEntry(`case when ${newer('b', 'old')} then b._version_vector else old._version_vector end`, 'here.source_region', above)},
    ${table.lattice ? `${LATTICE_COLUMNS.map((name) => `${name} = null`).join(', ')}, ` : ''}_local = true;
  return null;
end `,
  );
};

const BLANK = `null, 0, '-infinity'::pg_catalog.timestamptz, '', 0, ${EMPTY}, false`;

/**
 * AFTER INSERT, and AFTER UPDATE of the key: where no row existed nothing could be locked, so look again. A snapshot older
 * than this statement hides tombstones; inserting a blank one then raises 40001 exactly where it hides one. `isAbove(b)` says
 * whether NEW is newer than a tombstone or a held row; if not, the row is touched, so that it is stamped above.
 */
export function checkFunction(spec: TriggerSpec, isAbove: (other: string) => string, held: string): string {
  const { table } = spec;
  const touch = `update ${rowsOf(table)} t set _version = t._version where ${sameKey(table, 't', 'new')};`;
  const overtake = isHeldBack(spec)
    ? `
  if exists (select from ${fromHeld(spec)}) then
    if exists (select from (select ${held} from ${fromHeld(spec)}) h where not ${isAbove('h')}) then
      ${touch}
    end if;${releaseHeld(spec)}
  end if;`
    : '';
  return triggerFunction(
    functionName(table, 'check'),
    `
begin
  if pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.<>) 'read committed' then${isHeldBack(spec) ? refuseHidden(spec) : ''}
    insert into ${tombstonesOf(table)} (${keyList(table)}, image, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
    values (${keyList(table, 'new')}, ${BLANK}) on conflict do nothing;
    if found then
      delete from ${tombstonesOf(table)} b where ${sameKey(table, 'b', 'new')};${isHeldBack(spec) ? '' : '\n      return null;'}
    end if;
  end if;
  if exists (select from ${tombstonesOf(table)} b where ${sameKey(table, 'b', 'new')} and not ${isAbove('b')}) then
    ${touch}
  end if;${overtake}
  return null;
end `,
  );
}

export const checkRegister = (spec: TriggerSpec): string =>
  checkFunction(spec, (other) => newer('new', other), 'l.stamp as _last_updated, l.region as _source_region');
