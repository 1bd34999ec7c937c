import { ident, literal, type Table } from '@concord/runtime';

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

export const triggerFunction = (name: string, body: string): string =>
  `create or replace function ${name}() ${HEAD} ${dollarQuoted(body)}`;

export const MICROSECOND = `'1 microsecond'::pg_catalog.interval`;

export const EMPTY = `'{}'::pg_catalog.jsonb`;

/** This transaction's id as `_tx_id` keeps it. */
export const TRANSACTION = 'pg_catalog.txid_current()';

/** A policy's bonus is part of the stamp where it is made, so that no region needs to know of it. */
const clock = (bonusMs: number): string =>
  bonusMs === 0
    ? 'pg_catalog.clock_timestamp()'
    : `pg_catalog.clock_timestamp() operator(pg_catalog.+) '${bonusMs} milliseconds'::pg_catalog.interval`;

/** What heartbeats announce, µs since 1970; null before the first. As a function it costs half of what reading the sequence as a table does. */
const ANNOUNCED = `pg_catalog.pg_sequence_last_value('concord.announced'::pg_catalog.regclass)`;

/**
 * No local stamp is lower. What heartbeats announce is read after the transaction has its id: their fences depend on it. Neither an
 * old snapshot nor a clock that stepped back hides it.
 */
const above = (floor: string): string => `greatest(${floor}, 'epoch'::pg_catalog.timestamptz operator(pg_catalog.+)
      ((${ANNOUNCED} operator(pg_catalog.+) 1)::pg_catalog.float8 operator(pg_catalog.*) ${MICROSECOND}))`;

/** The stamp of a write that has seen stamps up to `seen`, in a statement that reads this region as `r` unless it is given the floor. */
export const nextStamp = (bonusMs: number, seen: string, floor = 'r.floor'): string =>
  `greatest(${clock(bonusMs)}, ${seen} operator(pg_catalog.+) ${MICROSECOND}, ${above(floor)})`;

/** To follow a statement that reads this region where it takes writes, and found nothing. */
export const REFUSE_UNLESS_FOUND = `if not found then
    raise exception 'concord: this region takes no writes: %', (select r.suspended from concord.region r) using errcode = 'object_not_in_prerequisite_state',
      hint = 'Changes of other regions still come in. Writes begin again with a new incarnation of the region.';
  end if;`;

/** The order of versions (`compare` of layers/conflict). */
export const newer = (a: string, b: string): string =>
  `(${a}._last_updated operator(pg_catalog.>) ${b}._last_updated or (${a}._last_updated operator(pg_catalog.=) ${b}._last_updated
      and ${a}._source_region operator(pg_catalog.>) ${b}._source_region collate pg_catalog."C"))`;

/** µs since 1970, exactly. */
export const micros = (stamp: string): string =>
  `(pg_catalog.extract('epoch', ${stamp}) operator(pg_catalog.*) 1000000)::pg_catalog.int8`;

export const withEntry = (vector: string, region: string, stamp: string): string =>
  `${vector} operator(pg_catalog.||) pg_catalog.jsonb_build_object(${region}, ${micros(stamp)})`;

export const keyList = (table: Table, alias?: string): string =>
  table.key.map(({ name }) => (alias === undefined ? ident(name) : `${alias}.${ident(name)}`)).join(', ');

/** The greatest of a version's stamp and all entries of its vector. */
export const latest = (alias: string): string =>
  `greatest(${alias}._last_updated, (select 'epoch'::pg_catalog.timestamptz operator(pg_catalog.+)
      (pg_catalog.max(e.stamp::pg_catalog.int8)::pg_catalog.float8 operator(pg_catalog.*) ${MICROSECOND})
      from pg_catalog.jsonb_each_text(${alias}._version_vector) e(region, stamp)))`;

/** `new.a := old.a; …`: what a statement says of these columns is ignored. */
export const keepOld = (names: readonly string[]): string =>
  names.map((name) => `new.${ident(name)} := old.${ident(name)};`).join(' ');

/**
 * Stored generated columns are still NULL in NEW: compare as if they were OLD's (PostgreSQL computes them afterwards). A look-up
 * by name survives a dropped column; a way through JSON would lose `json` as written and the lower bounds of arrays.
 */
export const keepGenerated = (table: Table): string =>
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

/** `array['a', 'b']::pg_catalog.text[]` */
export const textArray = (texts: readonly string[]): string =>
  `array[${texts.map(literal).join(', ')}]::pg_catalog.text[]`;

/** Columns as a record, for an image comparison: without the cast each pair would be compared by an operator of its type. */
export const rowOf = (alias: string, columns: readonly string[]): string =>
  `row(${columns.map((name) => `${alias}.${ident(name)}`).join(', ')})::pg_catalog.record`;
