import { EVERY_COLUMN, registerName } from '@concord/conflict';
import { LATTICE_COLUMNS } from '@concord/events';
import { ident, literal, sameKey, type Table, tombstonesOf } from '@concord/runtime';
import { STAMP_COLUMN_NAMES } from '../columns.ts';
import { functionName } from '../names.ts';
import { addToCounters, beginCounters, countsOthers, readCounters } from './counters.ts';
import { refuseIntervals } from './intervals.ts';
import { checkFunction } from './register.ts';
import type { TriggerSpec } from './spec.ts';
import {
  EMPTY,
  keepGenerated,
  keepOld,
  keyList,
  latest,
  MICROSECOND,
  micros,
  nextStamp,
  REFUSE_UNLESS_FOUND,
  rowOf,
  TRANSACTION,
  textArray,
  triggerFunction,
  withEntry,
} from './sql.ts';
import { CLAIM, fromHeld, heldValue, isHeldBack, setClaim, whereHeld } from './unique.ts';

const life = (alias: string): string =>
  `concord.life(${alias}._incarnation, ${alias}._last_updated, ${alias}._source_region)`;

const isOwn = (name: string): boolean =>
  STAMP_COLUMN_NAMES.includes(name) || name === CLAIM || LATTICE_COLUMNS.some((column) => column === name);

/** Columns with a register of their own or in a group: not counters, not the key, not what is generated. */
function registerColumns({ table, rule }: TriggerSpec): string[] {
  const key = new Set(table.key.map(({ name }) => name));
  return table.columns
    .filter(({ name, generated }) => !generated && !isOwn(name) && !key.has(name) && !rule.counters.includes(name))
    .map(({ name }) => name);
}

/** The registers of a `merge` table and the columns of each. */
function registersOf(spec: TriggerSpec): (readonly string[])[] {
  const grouped = new Set(spec.rule.groups.flat());
  return [
    ...spec.rule.groups,
    ...registerColumns(spec)
      .filter((name) => !grouped.has(name))
      .map((name) => [name]),
  ];
}

/** Equal keys may be spelled differently, and no register would carry that: the row keeps its first spelling. */
const keepSpelling = (table: Table): string =>
  table.key
    .filter(({ canonical }) => !canonical)
    .map(({ name }) => `\n    new.${ident(name)} := old.${ident(name)};`)
    .join('');

/**
 * A column was added (the count of a table's columns never shrinks), or one that these functions name was dropped or renamed since they
 * were made. A look at all columns in the catalogue would cost more than all the rest.
 */
function readDrift(spec: TriggerSpec): string {
  const names = [...registerColumns(spec), ...spec.rule.counters];
  const probe =
    names.length === 0
      ? ''
      : `
  begin
    if ${rowOf('new', names)} is null then null; end if;
  exception when undefined_column then drifted := true;
  end;`;
  return `
  select c.relnatts operator(pg_catalog.<>) ${spec.columnCount}::pg_catalog.int2 into drifted from pg_catalog.pg_class c
    where c.oid operator(pg_catalog.=) ${spec.table.oid}::pg_catalog.oid;
  drifted := coalesce(drifted, true);${probe}`;
}

function changedColumns(spec: TriggerSpec): string {
  const registers = registersOf(spec);
  const names = registers.flatMap((columns) => columns.map((name) => [name, registerName(columns)] as const));
  const others = spec.table.columns.map(({ name }) => name).filter((name) => !names.some(([known]) => known === name));
  return `${keepSpelling(spec.table)}
    if drifted then
      changed := concord.changed_registers(new, old, tg_relid, ${literal(JSON.stringify(Object.fromEntries(names)))}::pg_catalog.jsonb, ${textArray(others)});
    else${registers
      .map(
        (columns) => `
      if not ${rowOf('new', columns)} operator(pg_catalog.*=) ${rowOf('old', columns)} then
        changed := pg_catalog.array_append(changed, ${literal(registerName(columns))}::pg_catalog.text);
      end if;`,
      )
      .join('')}
    end if;`;
}

/** One register for all columns but the counters. */
const changedRow = ({ rule }: TriggerSpec): string => `
    rest := new;${rule.counters
      .map(
        (name) => `
    if deltas operator(pg_catalog.?) ${literal(name)} then rest.${ident(name)} := old.${ident(name)}; end if;`,
      )
      .join('')}
    if not rest operator(pg_catalog.*=) old then changed := array[${literal(EVERY_COLUMN)}]::pg_catalog.text[]; end if;`;

/** The tombstone of NEW's key, or the row that is held under it, whichever life is later, as `tomb`. */
function lookUp(spec: TriggerSpec): string {
  const columns = `b._version, ${latest('b')} as seen, b._version_vector, ${life('b')} as life`;
  const buried = `from ${tombstonesOf(spec.table)} b where ${sameKey(spec.table, 'b', 'new')}`;
  if (!isHeldBack(spec)) return `select ${columns} into tomb ${buried}`;
  const held = `select ${heldValue('_version', 'int8')} as _version, l.stamp as _last_updated, l.region as _source_region,
        ${heldValue('_version_vector', 'jsonb')} as _version_vector, ${heldValue('_incarnation', 'jsonb')} as _incarnation from ${fromHeld(spec)}`;
  return whereHeld(
    spec,
    `select pg_catalog.max(s._version) over () as _version, pg_catalog.max(s.seen) over () as seen, s._version_vector, s.life
      into tomb from (select ${columns} ${buried} union all select ${columns} from (${held}) b) s
      order by (s.life operator(pg_catalog.->>) 0)::pg_catalog.int8 desc, (s.life operator(pg_catalog.->>) 1) collate pg_catalog."C" desc limit 1`,
    `select ${columns} into tomb ${buried}`,
  );
}

/** Who writes, and the stamp of a write that has seen stamps up to `seen`, as `here`. */
const readHere = (bonusMs: number, seen: string): string =>
  `select r.source_region, ${nextStamp(bonusMs, seen)} as stamp into here from concord.region r where r.suspended is null;
    ${REFUSE_UNLESS_FOUND}`;

/**
 * BEFORE INSERT OR UPDATE of a lattice table: `nextLattice` of layers/conflict in SQL. The order matters for the fences:
 * transaction id, tombstone, floor, clock. Only registers of which a column changed get the stamp; an update that only adds to
 * counters changes counters and vector and nothing else.
 */
export const stampLattice = (spec: TriggerSpec): string => {
  const { table, rule, bonusMs, intervals } = spec;
  const isMerge = rule.policy === 'merge';
  return triggerFunction(
    functionName(table, 'stamp'),
    `
declare
  xid pg_catalog.int8 := ${TRANSACTION};
  here pg_catalog.record;
  tomb pg_catalog.record;
  rest pg_catalog.record;
  drifted pg_catalog.bool := false;
  same_key pg_catalog.bool := false;
  unchanged pg_catalog.bool := false;
  beneath pg_catalog.bool := false;
  begins pg_catalog.bool := true;
  buried pg_catalog.bool := false;
  changed pg_catalog.text[] := '{}';
  register pg_catalog.text;
  dot pg_catalog.jsonb;
  delta pg_catalog.numeric;
  held pg_catalog.jsonb := ${EMPTY};
  deltas pg_catalog.jsonb := ${EMPTY};
  totals pg_catalog.jsonb := ${EMPTY};
  writes pg_catalog.int8 := 0;
  parent pg_catalog.timestamptz;
  vector pg_catalog.jsonb := ${EMPTY};
begin${refuseIntervals(intervals)}${isMerge || rule.counters.length > 0 ? readDrift(spec) : ''}
  if tg_op operator(pg_catalog.=) 'UPDATE' then
    writes := old._version;
    same_key := ${sameKey(table, 'old', 'new')};
    ${keepOld([...STAMP_COLUMN_NAMES, ...LATTICE_COLUMNS, ...(table.claims ? [CLAIM] : [])])}${keepGenerated(table)}
  end if;${readCounters(table, rule.counters)}
  if same_key then
    vector := old._version_vector;${isMerge ? changedColumns(spec) : changedRow(spec)}
    unchanged := deltas operator(pg_catalog.=) ${EMPTY} and pg_catalog.cardinality(changed) operator(pg_catalog.=) 0;
    begins := not drifted and old._incarnation is not null and ${countsOthers(rule.counters)};
  end if;
  if not same_key or unchanged or old._tx_id operator(pg_catalog.=) xid then
    ${lookUp(spec)};
    buried := tomb._version is not null;
    if buried and same_key then beneath := not concord.is_later_life(${life('old')}, tomb.life); end if;
  end if;
  if unchanged and not beneath then return new; end if;
  begins := begins or beneath;
  if buried then
    writes := greatest(writes, tomb._version);
    parent := tomb.seen;
    if not same_key or beneath then vector := tomb._version_vector; end if;
  end if;
  if tg_op operator(pg_catalog.=) 'UPDATE' then
    ${readHere(bonusMs, `greatest(parent, ${latest('old')})`)}
  else
    ${readHere(bonusMs, 'parent')}
  end if;
  dot := pg_catalog.jsonb_build_array(${micros('here.stamp')}, here.source_region);
  if begins then
    new._incarnation := dot;
    new._column_stamps := ${EMPTY};
    new._counters := ${EMPTY};${beginCounters(rule.counters)}
  else
    new._incarnation := ${life('old')};
    new._column_stamps := coalesce(old._column_stamps, ${EMPTY});
    foreach register in array changed loop
      new._column_stamps := new._column_stamps operator(pg_catalog.||) pg_catalog.jsonb_build_object(register, dot);
    end loop;
    new._counters := case when old._incarnation is null then concord.begin_counters(held, old._last_updated, old._source_region) else old._counters end;${addToCounters(rule.counters)}
  end if;
  if begins or pg_catalog.cardinality(changed) operator(pg_catalog.>) 0 then
    new._version := writes operator(pg_catalog.+) 1::pg_catalog.int8;
    new._last_updated := here.stamp;
    new._source_region := here.source_region;
    new._tx_id := xid;
  end if;
  new._version_vector := ${withEntry('vector', 'here.source_region', 'here.stamp')};
  new._local := true;${setClaim(spec, 'not same_key or beneath', 'here.stamp', 'here.source_region')}
  return new;
end `,
  );
};

/** What the counter columns of a deleted row held, as texts. Also where a column was dropped meanwhile. */
const heldByImage = (counters: readonly string[]): string =>
  `pg_catalog.jsonb_build_object(${counters.map((name) => `${literal(name)}, image operator(pg_catalog.->>) ${literal(name)}`).join(', ')})`;

/**
 * AFTER DELETE, and AFTER UPDATE of the key: the tombstone of the old key, in the same transaction. It ends the life that it saw,
 * and keeps the increments that it saw; where a later life has ended already, that one stays ended.
 */
export const buryLattice = (spec: TriggerSpec): string => {
  const { table, rule, bonusMs } = spec;
  const lifted =
    rule.counters.length === 0
      ? ''
      : `
  if old._incarnation is null then
    counters := concord.begin_counters(pg_catalog.jsonb_strip_nulls(${heldByImage(rule.counters)}), old._last_updated, old._source_region);
  end if;`;
  return triggerFunction(
    functionName(table, 'bury'),
    `
#variable_conflict use_column
declare
  image pg_catalog.json := pg_catalog.row_to_json(old);
  counters pg_catalog.jsonb := old._counters;
begin${lifted}
  insert into ${tombstonesOf(table)} as b (${keyList(table)}, image, _version, _last_updated, _source_region, _tx_id, _version_vector,
    _incarnation, _column_stamps, _counters, _local)
  select ${keyList(table, 'old')}, image, old._version operator(pg_catalog.+) 1::pg_catalog.int8, s.stamp, s.region,
    ${TRANSACTION}, ${withEntry('old._version_vector', 's.region', 's.stamp')},
    ${life('old')}, ${EMPTY}, coalesce(counters, ${EMPTY}), true
  from (select ${nextStamp(bonusMs, latest('old'))} as stamp, r.source_region as region from concord.region r where r.suspended is null) s
  on conflict (${keyList(table)}) do update set
    ${table.key.map(({ name }) => `${ident(name)} = excluded.${ident(name)}`).join(', ')},
    image = excluded.image,
    _source_region = excluded._source_region,
    _tx_id = excluded._tx_id,
    _column_stamps = ${EMPTY},
    _local = true,
    (_version, _last_updated, _version_vector, _incarnation, _counters) = (
      select greatest(excluded._version, b._version operator(pg_catalog.+) 1::pg_catalog.int8), j.stamp,
        ${withEntry('j.vector', 'excluded._source_region', 'j.stamp')}, j.life, j.counters
      from (
        select greatest(excluded._last_updated, ${latest('b')} operator(pg_catalog.+) ${MICROSECOND}) as stamp,
          case when l.earlier then old._version_vector when l.later then b._version_vector
            else concord.join_vectors(b._version_vector, old._version_vector) end as vector,
          case when l.earlier then excluded._counters when l.later then coalesce(b._counters, ${EMPTY})
            else concord.join_counters(coalesce(b._counters, ${EMPTY}), excluded._counters) end as counters,
          case when l.earlier then excluded._incarnation else ${life('b')} end as life
        from (select concord.is_later_life(excluded._incarnation, ${life('b')}) as earlier,
          concord.is_later_life(${life('b')}, excluded._incarnation) as later) l) j);
  ${REFUSE_UNLESS_FOUND}
  return null;
end `,
  );
};

/** An insert that began before a tombstone of a later life: the touch begins a life above it. */
export const checkLattice = (spec: TriggerSpec): string =>
  checkFunction(
    spec,
    (other) => `concord.is_later_life(new._incarnation, ${life(other)})`,
    `l.stamp as _last_updated, l.region as _source_region, ${heldValue('_incarnation', 'jsonb')} as _incarnation`,
  );
