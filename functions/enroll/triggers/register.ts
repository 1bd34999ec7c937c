import { LATTICE_COLUMNS } from '@concord/events';
import { ident, literal, rowsOf, sameKey, tombstonesOf } from '@concord/runtime';
import { STAMP_COLUMN_NAMES } from '../columns.ts';
import { functionName } from '../names.ts';
import { refuseIntervals } from './intervals.ts';
import type { Here, TriggerSpec } from './spec.ts';
import {
  EMPTY,
  keepGenerated,
  keepOld,
  keyList,
  latest,
  MICROSECOND,
  newer,
  nextStamp,
  REFUSE_UNLESS_FOUND,
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

const NULLABLE: ReadonlySet<string> = new Set([...LATTICE_COLUMNS, CLAIM]);

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

/** What a version follows, as expressions: writes so far, the latest stamp seen, the vector. `joined`: a table that they read. */
type Parent = { readonly writes: string; readonly seen: string; readonly vector: string; readonly joined?: string };

/** One statement, because each costs as much as a dozen expressions. */
const makeVersion = (spec: TriggerSpec, { writes, seen, vector, joined = '' }: Parent, claimsAnew: string): string => `
    select v.writes operator(pg_catalog.+) 1::pg_catalog.int8, v.stamp, v.region, xid, ${withEntry('v.vector', 'v.region', 'v.stamp')}, true
      into new._version, new._last_updated, new._source_region, new._tx_id, new._version_vector, new._local
      from (select ${writes} as writes, ${nextStamp(spec.bonusMs, seen)} as stamp, r.source_region as region, ${vector} as vector
        from concord.region r${joined} where r.suspended is null) v;
    ${REFUSE_UNLESS_FOUND}${noLattice(spec)}${setClaim(spec, claimsAnew, 'new._last_updated', 'new._source_region')}
    return new;`;

/** Apply raises the floor for keys of lattice tables, and leaves the region's version alone: what was one reads the floor. */
const knownHere = ({ table, here }: TriggerSpec): Here | null => (table.lattice ? null : here);

/** Does the region stand as it did? That is read at once, whatever the snapshot, and by an expression, where a row would take a statement. */
const stands = ({ version }: Here): string =>
  `pg_catalog.pg_sequence_last_value('concord.region_version'::pg_catalog.regclass) operator(pg_catalog.=) ${version}::pg_catalog.int8`;

/** The same version as `makeVersion` makes, without a statement. */
const assignVersion = (spec: TriggerSpec, here: Here, { writes, seen, vector }: Parent, claimsAnew: string): string => `
      new._last_updated := ${nextStamp(spec.bonusMs, seen, `${literal(here.floor)}::pg_catalog.timestamptz`)};
      new._version := ${writes} operator(pg_catalog.+) 1::pg_catalog.int8;
      new._source_region := ${literal(here.region)}::pg_catalog.text;
      new._tx_id := xid;
      new._version_vector := ${withEntry(vector, `${literal(here.region)}::pg_catalog.text`, 'new._last_updated')};
      new._local := true;${setClaim(spec, claimsAnew, 'new._last_updated', 'new._source_region')}
      return new;`;

/** A key that was never deleted. */
const FIRST: Parent = { writes: '0::pg_catalog.int8', seen: 'null::pg_catalog.timestamptz', vector: EMPTY };

function insertFirst(spec: TriggerSpec): string {
  const here = knownHere(spec);
  if (here === null) return '';
  return `
    if ${stands(here)} and not exists (select from ${tombstonesOf(spec.table)} b where ${sameKey(spec.table, 'b', 'new')}) then${assignVersion(spec, here, FIRST, 'true')}
    end if;`;
}

/** Most inserts: what was deleted before, if anything, is read in the statement that makes the version. */
const insertVersion = (spec: TriggerSpec): string =>
  isHeldBack(spec)
    ? ''
    : `
  if tg_op operator(pg_catalog.=) 'INSERT' then${insertFirst(spec)}${makeVersion(
    spec,
    {
      writes: 'coalesce(b._version, 0::pg_catalog.int8)',
      seen: seenBy(spec, 'b'),
      vector: `coalesce(b._version_vector, ${EMPTY})`,
      joined: ` left join ${tombstonesOf(spec.table)} b on ${sameKey(spec.table, 'b', 'new')}`,
    },
    'true',
  )}
  end if;`;

/** Does the statement leave our columns alone? (Comparing two records by their images would cost more than all the rest.) */
const untouched = (spec: TriggerSpec): string =>
  metadata(spec)
    .map((name) =>
      NULLABLE.has(name)
        ? `new.${name} is not distinct from old.${name}`
        : `new.${name} operator(pg_catalog.=) old.${name}`,
    )
    .join(' and ');

const updateNext = (spec: TriggerSpec, parent: Parent): string => {
  const here = knownHere(spec);
  if (here === null) return '';
  return `
      if ${stands(here)} then${assignVersion(spec, here, parent, 'false')}
      end if;`;
};

/** Most updates: the first of this row in its transaction, of other columns than ours and the key. */
const updateVersion = (spec: TriggerSpec): string => {
  const parent = { writes: 'old._version', seen: seenBy(spec, 'old'), vector: 'old._version_vector' };
  return `
  if tg_op operator(pg_catalog.=) 'UPDATE' then${keepGenerated(spec.table)}
    if ${sameKey(spec.table, 'old', 'new')} and old._tx_id operator(pg_catalog.<>) xid
      and ${untouched(spec)} and not new operator(pg_catalog.*=) old then${updateNext(spec, parent)}${makeVersion(spec, parent, 'false')}
    end if;
  end if;`;
};

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
begin${refuseIntervals(spec.intervals)}${insertVersion(spec)}${updateVersion(spec)}
  declare
    tomb pg_catalog.record;
    buried pg_catalog.bool := false;
    same_key pg_catalog.bool := false;
    same_row pg_catalog.bool := false;
    above pg_catalog.bool := true;
    writes pg_catalog.int8 := 0;
    parent pg_catalog.timestamptz;
    vector pg_catalog.jsonb := ${EMPTY};
  begin
    if tg_op operator(pg_catalog.=) 'UPDATE' then
      parent := ${seenBy(spec, 'old')};
      writes := old._version;
      same_key := ${sameKey(spec.table, 'old', 'new')};
      if same_key then vector := old._version_vector; end if;
      ${keepOld(metadata(spec))}
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
    end if;${makeVersion(spec, { writes: 'writes', seen: 'parent', vector: 'vector' }, 'not same_key or not above')}
  end;
end `,
  );

/** AFTER DELETE, and AFTER UPDATE of the key: the tombstone of the old key, in the same transaction. */
export const buryRegister = (spec: TriggerSpec): string => {
  const { table } = spec;
  const above = `greatest(excluded._last_updated, ${seenBy(spec, 'b')} operator(pg_catalog.+) ${MICROSECOND})`;
  return triggerFunction(
    functionName(table, 'bury'),
    `
begin
  insert into ${tombstonesOf(table)} as b (${keyList(table)}, image, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
  select ${keyList(table, 'old')}, pg_catalog.row_to_json(old), old._version operator(pg_catalog.+) 1::pg_catalog.int8, s.stamp, s.region,
    ${TRANSACTION}, ${withEntry('old._version_vector', 's.region', 's.stamp')}, true
  from (select ${nextStamp(spec.bonusMs, seenBy(spec, 'old'))} as stamp, r.source_region as region from concord.region r where r.suspended is null) s
  on conflict (${keyList(table)}) do update set
    ${table.key.map(({ name }) => `${ident(name)} = excluded.${ident(name)}`).join(', ')},
    image = excluded.image,
    _version = greatest(excluded._version, b._version operator(pg_catalog.+) 1::pg_catalog.int8),
    _last_updated = ${above},
    _source_region = excluded._source_region,
    _tx_id = excluded._tx_id,
    _version_vector = ${withEntry(`case when ${newer('b', 'old')} then b._version_vector else old._version_vector end`, 'excluded._source_region', above)},
    ${table.lattice ? `${LATTICE_COLUMNS.map((name) => `${name} = null`).join(', ')}, ` : ''}_local = true;
  ${REFUSE_UNLESS_FOUND}
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
