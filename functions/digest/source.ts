import type { KeyRange, Place, Reading } from '@concord/events';
import {
  type Column,
  type Db,
  ident,
  literal,
  printed,
  type Sql,
  sameKey,
  setPrinting,
  type TransactionSql,
  textsOf,
} from '@concord/runtime';
import { idOf, versionHash } from './hash.ts';
import { type DigestTable, kindNamed, readDigestTable } from './table.ts';

/* Where the versions of a table are: rows, tombstones that are part of the state, and held rows, which print as rows do. */

export const micros = (stamp: string): string => `(extract(epoch from ${stamp}) * 1000000)::int8`;

const time = (us: number): string => `timestamptz 'epoch' + ${us} * interval '1 microsecond'`;

/** µs of the latest write that a version has seen: on a lattice table a counter's may be later than its stamp. */
export const latestUs = ({ table }: DigestTable): string =>
  table.lattice
    ? `greatest(${micros('t._last_updated')}, (select max(e.value::int8) from jsonb_each_text(t._version_vector) e))`
    : micros('t._last_updated');

const life = (alias: string): string =>
  `(coalesce((${alias}._incarnation ->> 0)::int8, ${micros(`${alias}._last_updated`)}), coalesce(${alias}._incarnation ->> 1, ${alias}._source_region) collate "C")`;

/** Does a row stand beneath a tombstone of its key? On a lattice table: did that end the row's life, or a later one? */
export const isBeneath = ({ table }: DigestTable, row: string, tombstone: string): string =>
  table.lattice
    ? `${life(tombstone)} >= ${life(row)}`
    : `(${tombstone}._last_updated, ${tombstone}._source_region) > (${row}._last_updated, ${row}._source_region)`;

/** A held row as a row of the table; a column that its event lacks means that column's constant default. */
export function heldRows(digest: DigestTable): string {
  const columns = digest.rowColumns.map((column) => {
    const name = literal(column.name);
    const text = `case when l.event -> ${name} is null then ${literal(column.constantDefault ?? '')} else l.event ->> ${name} end`;
    const given = column.constantDefault === null ? `l.event ->> ${name}` : text;
    return `(${given})::${column.type}${kindNamed(digest, column.name).collate} as ${ident(column.name)}`;
  });
  return `(select ${columns.join(', ')}, l.event as "concord event" from concord.limbo l where l.table_name = ${literal(digest.table.name)})`;
}

export type Source = {
  readonly place: Place;
  /** `from` clause with alias `t`. */
  readonly from: string;
  /** Which of them are part of the state. */
  readonly condition: string;
  /** The columns as a change event carries them, as json. */
  readonly event: string;
};

export const rowSource = (digest: DigestTable): Source => ({
  place: 'row',
  from: `${digest.rows} t`,
  condition: 'true',
  event: `json_object(${textsOf(digest.rowColumns, 't')})`,
});

export const tombstoneSource = (digest: DigestTable): Source => ({
  place: 'tombstone',
  from: `${digest.tombstones} t`,
  condition: 'true',
  event: `json_object(${textsOf(digest.tombstoneColumns, 't')})`,
});

export const heldSource = (digest: DigestTable): Source => ({
  place: 'held',
  from: `${heldRows(digest)} t`,
  condition: 'true',
  event: 't."concord event"',
});

/** Everything that is part of the state and that a reading covers. */
export async function readSources(db: Db, digest: DigestTable, reading: Reading): Promise<Source[]> {
  const { name } = digest.table;
  const limbo = await db.unsafe('select from concord.limbo where table_name = $1::text limit 1', [name]);
  const covered = coverage(digest, reading);
  const sources = [rowSource(digest), tombstoneSource(digest)].map((source) => ({ ...source, condition: covered }));
  const [rows, tombstones] = sources as [Source, Source];
  const newer = [digest.rows, ...(limbo.length > 0 ? [heldRows(digest)] : [])].map(
    (rival) =>
      `not exists (select from ${rival} n where ${sameKey(digest.table, 'n', 't')} and not (${isBeneath(digest, 'n', 't')}))`,
  );
  const state = [covered, `${latestUs(digest)} >= ${reading.horizonUs}`, ...newer].join(' and ');
  const held = { ...heldSource(digest), condition: covered };
  return [rows, { ...tombstones, condition: state }, ...(limbo.length > 0 ? [held] : [])];
}

function coverage(digest: DigestTable, { mode, sinceUs }: Reading): string {
  if (mode !== 'recent') return 'true';
  if (digest.table.lattice) return `${latestUs(digest)} >= ${sinceUs}`;
  return `t._last_updated >= ${time(sinceUs)}`;
}

/** The text of parameter `$n` as a value of a key column. */
export const keyValue = (digest: DigestTable, { name, type }: Column, n: number): string =>
  `$${n}::text::${type}${kindNamed(digest, name).collate}`;

/** Within a range, in a form for which the primary key's index is used; its texts are bound by `rangeParameters`. */
export function inRange(digest: DigestTable, range: KeyRange): string {
  const { keyColumns, table } = digest;
  const key = `(${keyColumns.map(({ name }) => `t.${ident(name)}`).join(', ')})`;
  const bounds: string[] = [];
  let next = 1;
  for (const [end, comparison] of [
    [range.from, '>='],
    [range.to, '<'],
  ] as const) {
    if (end === null) continue;
    if (end.length !== keyColumns.length)
      throw new Error(
        `the primary key of ${table.name} has ${keyColumns.length} column(s): ${JSON.stringify(end)} is none`,
      );
    const values = keyColumns.map((column, index) => keyValue(digest, column, next + index));
    bounds.push(`${key} ${comparison} (${values.join(', ')})`);
    next += end.length;
  }
  return bounds.length === 0 ? 'true' : bounds.join(' and ');
}

export const rangeParameters = ({ from, to }: KeyRange): string[] => [...(from ?? []), ...(to ?? [])];

/** A version without its columns; the key itself comes as well, to order by. */
export function lineColumns(digest: DigestTable, reading: Reading, { place }: Source): string {
  const { hashing } = reading;
  const version = digest.table.lattice
    ? 't._version_vector::text'
    : `${micros('t._last_updated')}::text || ' ' || t._source_region`;
  return [
    `array[${digest.keyColumns.map((column) => printed('t', column)).join(', ')}]::text[] as "concord key"`,
    `${idOf(digest, hashing)} as "concord id"`,
    `'${place}' as "concord place"`,
    `${micros('t._last_updated')} as "concord stamp"`,
    't._source_region as "concord region"',
    `${version} as "concord version"`,
    `${latestUs(digest)} as "concord latest"`,
    `${versionHash(digest, reading, place === 'tombstone' ? 'tombstone' : 'row')} as "concord hash"`,
    ...digest.keyColumns.map(({ name }) => `t.${ident(name)}`),
  ].join(', ');
}

export const keyOrder = (digest: DigestTable, alias: string): string =>
  digest.keyColumns.map(({ name }) => `${alias}.${ident(name)}`).join(', ');

/** What each reading of a region is done under: texts as events carry them, the keys' operators, and no more than one process. */
export async function prepare(tx: TransactionSql, digest: DigestTable): Promise<void> {
  await setPrinting(tx);
  await tx
    .unsafe(
      `set local search_path = ${digest.searchPath}; set local jit = off; set local max_parallel_workers_per_gather = 0`,
    )
    .simple();
}

/** One reading of a table, in a transaction of its own. */
export const inTable = <T>(
  sql: Sql,
  name: string,
  read: (tx: TransactionSql, digest: DigestTable) => Promise<T>,
): Promise<T> =>
  sql.begin(async (tx) => {
    const digest = await readDigestTable(tx, name);
    await prepare(tx, digest);
    return read(tx, digest);
  }) as Promise<T>;
