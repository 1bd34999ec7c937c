import { compare, type Ranked } from '@concord/conflict';
import { changeKey, type KafkaRecord, partitionOf } from '@concord/events';
import type { Sql, TransactionSql } from '@concord/runtime';
import type { Random } from '../simulation/random.ts';
import { printed } from './printed.ts';
import { kafkaRecord } from './records.ts';
import type { Region, TableOption } from './regions.ts';

export const LATTICE_SCHEMA = /* sql */ `
create table items (id int primary key, a text, b text, city text, street text,
  stock bigint not null default 0, balance numeric not null default 0, shout text generated always as (upper(a)) stored);`;

export const LATTICE_TABLES: readonly TableOption[] = [
  { name: 'public.items', policy: 'merge', groups: [['city', 'street']], counters: ['stock', 'balance'] },
];

export const LATTICE_KEYS = { 'public.items': ['id'] };
export const COUNTERS = ['stock', 'balance'] as const;
/** By register the columns that it covers. */
export const REGISTERS: Readonly<Record<string, readonly string[]>> = {
  a: ['a'],
  b: ['b'],
  'city,street': ['city', 'street'],
};

const PARTITIONS = 3;
const META = ['_version', '_last_updated', '_source_region', '_tx_id', '_version_vector', '_local'];
const TAGS = ['_incarnation', '_column_stamps', '_counters'];
const COLUMNS = ['id', 'a', 'b', 'city', 'street', ...COUNTERS];
const RELATIONS = [
  { schema: 'public', columns: [...COLUMNS, ...META, ...TAGS] },
  { schema: 'concord_public', columns: ['id', 'image', ...META, ...TAGS] },
] as const;

/** What an acknowledged statement did to one life of a row, in the words of the application. */
export type Acknowledged = {
  readonly id: number;
  readonly life: Ranked;
  /** Stamp and region of the write. */
  readonly dot: Ranked;
  readonly did: 'insert' | 'update' | 'delete';
  /** Values by register that it set. */
  readonly set: Readonly<Record<string, readonly (string | null)[]>>;
  /** What it added to counters, as texts; an insert adds what it begins with. */
  readonly added: Readonly<Record<string, string>>;
};

/** All that a region wrote and published. */
export type LatticeLog = {
  readonly region: Region;
  readonly records: KafkaRecord[];
  readonly acknowledged: Acknowledged[];
  readonly next: number[];
  readonly published: Set<string>;
};

export const latticeLogOf = (region: Region): LatticeLog => ({
  region,
  records: [],
  acknowledged: [],
  next: Array<number>(PARTITIONS).fill(0),
  published: new Set(),
});

type Texts = Record<string, string | null>;

const selectTexts = (schema: string, columns: readonly string[], where: string): string =>
  `select ${columns.map(printed).join(', ')} from ${schema}.items where ${where}`;

/** Publishes the versions written here since the last call: call it after every transaction, or those in between are lost. */
export async function publishLattices(log: LatticeLog): Promise<void> {
  for (const { schema, columns } of RELATIONS)
    for (const event of await log.region.sql.unsafe<Texts[]>(selectTexts(schema, columns, '_local'))) {
      const name = `${schema} ${event.id} ${event._version_vector} ${event._local}`;
      if (log.published.has(name)) continue;
      log.published.add(name);
      const message = {
        key: changeKey({ id: event.id ?? '' }, 'public.items'),
        value: JSON.stringify({ ...event, __op: 'c', __s: schema, __t: 'items' }),
      };
      const partition = partitionOf(message.key, PARTITIONS);
      const offset = log.next[partition] ?? 0;
      log.next[partition] = offset + 1;
      log.records.push(kafkaRecord(log.region.name, message, { partition, offset }));
    }
}

const rowOf = async (tx: TransactionSql, id: number): Promise<Texts | undefined> =>
  (await tx.unsafe<Texts[]>(`${selectTexts('public', [...COLUMNS, ...META, ...TAGS], `id = ${id}`)} for update`))[0];

const rankedOf = (text: string | null | undefined): Ranked => {
  const [stamp, region] = JSON.parse(text ?? '[0, ""]');
  return { stamp, region };
};

/** Exact decimal difference of two texts, in hundredths: all that these tables hold. */
const hundredths = (text: string): bigint => {
  const [whole = '0', part = ''] = text.replace('-', '').split('.');
  const amount = BigInt(whole + part.padEnd(2, '0').slice(0, 2));
  return text.startsWith('-') ? -amount : amount;
};

/** Runs a statement about one row in a transaction and remembers what it did, told from the row before and after. */
export async function acknowledge(
  log: LatticeLog,
  id: number,
  run: (tx: TransactionSql) => Promise<unknown>,
): Promise<void> {
  const { sql, name } = log.region;
  const acknowledged = (await sql.begin(async (tx) => {
    await tx.unsafe(`set local timezone = 'UTC'`);
    const before = await rowOf(tx, id);
    await run(tx);
    const after = await rowOf(tx, id);
    return describe(id, name, before, after, await tombstoneStamp(tx, id, name));
  })) as Acknowledged[];
  log.acknowledged.push(...acknowledged);
  await publishLattices(log);
}

async function tombstoneStamp(tx: TransactionSql, id: number, region: string): Promise<number> {
  const [row] = await tx.unsafe<{ stamp: string | null }[]>(
    `select _version_vector ->> '${region}' as stamp from concord_public.items where id = ${id}`,
  );
  return Number(row?.stamp ?? 0);
}

function describe(
  id: number,
  region: string,
  before: Texts | undefined,
  after: Texts | undefined,
  buried: number,
): Acknowledged[] {
  const done: Acknowledged[] = [];
  const lives = [before, after].map((row) => row && rankedOf(row._incarnation));
  const [was, is] = lives;
  const isOther = was !== undefined && (is === undefined || compare(was, is) !== 0);
  if (isOther) done.push({ id, life: was, dot: { stamp: buried, region }, did: 'delete', set: {}, added: {} });
  if (after === undefined || is === undefined) return done;
  const stamp = Number(JSON.parse(after._version_vector ?? '{}')[region] ?? 0);
  const isNew = was === undefined || isOther;
  const [set, added] = [changed(isNew ? undefined : before, after), sums(isNew ? undefined : before, after)];
  if (!isNew && Object.keys(set).length === 0 && Object.keys(added).length === 0) return done;
  return [...done, { id, life: is, dot: { stamp, region }, did: isNew ? 'insert' : 'update', set, added }];
}

/** The registers of which a column changed, all where there was no row before. */
function changed(before: Texts | undefined, after: Texts): Acknowledged['set'] {
  const registers = Object.entries(REGISTERS).filter(
    ([, columns]) => before === undefined || columns.some((column) => before[column] !== after[column]),
  );
  return Object.fromEntries(
    registers.map(([register, columns]) => [register, columns.map((column) => after[column] ?? null)]),
  );
}

function sums(before: Texts | undefined, after: Texts): Acknowledged['added'] {
  const deltas = COUNTERS.map(
    (column) => [column, hundredths(after[column] ?? '0') - hundredths(before?.[column] ?? '0')] as const,
  );
  return Object.fromEntries(
    deltas.filter(([, delta]) => delta !== 0n).map(([column, delta]) => [column, String(delta)]),
  );
}

const IDS = [1, 2, 3, 4, 5] as const;
const TEXTS = ['x', 'y', '', 'é😀', null, "q'uote"] as const;
const AMOUNTS = ['1.5', '-0.25', '10', '0.10', '-3'] as const;

/** One random write of the application. */
export async function writeLatticeAtRandom(log: LatticeLog, random: Random): Promise<void> {
  const id = random.pick(IDS);
  const [text, other, amount, count] = [
    random.pick(TEXTS),
    random.pick(TEXTS),
    random.pick(AMOUNTS),
    random.between(-5, 9),
  ];
  const insert = (tx: Sql | TransactionSql) =>
    tx`insert into items (id, a, b, city, street, stock, balance) values (${id}, ${text}, ${other}, ${text}, ${other}, ${count}, ${amount}::text::numeric)
      on conflict (id) do update set a = excluded.a, stock = items.stock + excluded.stock`;
  const dice = random.below(100);
  await acknowledge(log, id, async (tx) => {
    if (dice < 30) await insert(tx);
    else if (dice < 40) await tx`update items set a = ${text} where id = ${id}`;
    else if (dice < 50) await tx`update items set b = ${text}, stock = stock - 1 where id = ${id}`;
    else if (dice < 58) await tx`update items set city = ${text} where id = ${id}`;
    else if (dice < 66) await tx`update items set street = ${text}, city = ${other} where id = ${id}`;
    else if (dice < 80) await tx`update items set stock = stock + ${count} where id = ${id}`;
    else if (dice < 88) await tx`update items set balance = balance + ${amount}::text::numeric where id = ${id}`;
    else if (dice < 95) await tx`delete from items where id = ${id}`;
    else {
      await tx`delete from items where id = ${id}`;
      await insert(tx);
    }
  });
}

/** What every region must show in the end. */
export type Expected = {
  readonly id: number;
  readonly columns: Record<string, string | null>;
  readonly counters: Record<string, bigint>;
};

/** Of each row the latest life, unless somebody deleted it: its registers' latest values, and the sum of all that was added to it. */
export function expectedRows(acknowledged: readonly Acknowledged[]): Expected[] {
  const rows: Expected[] = [];
  for (const [id, ofRow] of Map.groupBy(acknowledged, (each) => each.id)) {
    const life = ofRow.map((each) => each.life).reduce((a, b) => (compare(a, b) > 0 ? a : b));
    const lived = ofRow.filter((each) => compare(each.life, life) === 0);
    if (lived.some(({ did }) => did === 'delete')) continue;
    const columns: Record<string, string | null> = {};
    for (const [register, names] of Object.entries(REGISTERS)) {
      const writes = lived.filter(({ set }) => register in set).sort((x, y) => compare(x.dot, y.dot));
      names.forEach((name, index) => {
        columns[name] = writes.at(-1)?.set[register]?.[index] ?? null;
      });
    }
    const sum = (column: string): bigint => lived.reduce((total, { added }) => total + BigInt(added[column] ?? 0), 0n);
    rows.push({ id, columns, counters: Object.fromEntries(COUNTERS.map((column) => [column, sum(column)])) });
  }
  return rows.sort((x, y) => x.id - y.id);
}

export async function shownRows(sql: Sql): Promise<Expected[]> {
  const rows = await sql.unsafe<Texts[]>(`${selectTexts('public', COLUMNS, 'true')} order by items.id`);
  return rows.map((row) => ({
    id: Number(row.id),
    columns: Object.fromEntries(
      Object.values(REGISTERS)
        .flat()
        .map((name) => [name, row[name] ?? null]),
    ),
    counters: Object.fromEntries(COUNTERS.map((column) => [column, hundredths(row[column] ?? '0')])),
  }));
}

/**
 * Everything that must be equal everywhere: rows with all metadata but `_local`, and the tombstones that rule. As texts; jsonb is
 * printed in one order of names.
 */
export async function latticeState(sql: Sql): Promise<string[]> {
  const rows = await sql.unsafe(
    `select 'row' as kind, ${[...COLUMNS, ...META.slice(0, -1), ...TAGS].map(printed).join(', ')} from items order by items.id`,
  );
  const tombstones =
    await sql.unsafe(`select 'tombstone' as kind, ${['id', 'image', ...META.slice(0, -1), ...TAGS].map(printed).join(', ')}
    from concord_public.items b where not exists (select from items t where t.id = b.id) order by b.id`);
  return [...rows, ...tombstones].map((row) => JSON.stringify(row));
}
