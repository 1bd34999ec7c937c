import { changeKey, type KafkaRecord, partitionOf } from '@concord/events';
import type { Random } from '../simulation/random.ts';
import { printed } from './printed.ts';
import { kafkaRecord } from './records.ts';
import type { Region } from './regions.ts';

/** Keys that print canonically, and keys that do not: 1.5 and 1.50 are one row. */
export const TABLES = ['public.items', 'public.pairs'] as const;

export const SCHEMA = /* sql */ `
create table items (id bigint primary key, label text, amount numeric(12,2), tags text[], doc jsonb, code char(6),
  shout text generated always as (upper(label)) stored);
create table pairs (a text, b numeric, value text, primary key (a, b));`;

const PARTITIONS = 3;

/** What a region has published so far: every version that a write of it made. */
export type Log = {
  readonly region: Region;
  readonly records: KafkaRecord[];
  /** The next offset of each partition. */
  readonly next: number[];
  /** The greatest stamp that was published, as text. */
  last: string;
};

export const logOf = (region: Region): Log => ({
  region,
  records: [],
  next: Array<number>(PARTITIONS).fill(0),
  last: '-infinity',
});

const STAMPS = ['_version', '_last_updated', '_source_region', '_tx_id', '_version_vector', '_local'];
const RELATIONS = [
  { schema: 'public', table: 'items', key: ['id'], columns: ['id', 'label', 'amount', 'tags', 'doc', 'code'] },
  { schema: 'concord_public', table: 'items', key: ['id'], columns: ['id', 'image'] },
  { schema: 'public', table: 'pairs', key: ['a', 'b'], columns: ['a', 'b', 'value'] },
  { schema: 'concord_public', table: 'pairs', key: ['a', 'b'], columns: ['a', 'b', 'image'] },
] as const;

const PUBLISHED = RELATIONS.map(({ schema, table, columns }, index) => {
  const texts = [...columns, ...STAMPS].map(printed).join(', ');
  return `select ${index} as relation, (select to_json(r) from (select ${texts}) r) as event from ${schema}.${table}
    where _local and _last_updated > $1::text::timestamptz`;
}).join(' union all ');

/** Publishes what was written since the last call: call it after every write, or versions in between are lost. */
async function publish(log: Log): Promise<void> {
  const rows = await log.region.sql.unsafe<{ relation: number; event: Record<string, string> }[]>(PUBLISHED, [
    log.last,
  ]);
  for (const { relation, event } of rows) {
    const { schema, table, key } = RELATIONS[relation] as (typeof RELATIONS)[number];
    const texts = Object.fromEntries(key.map((name) => [name, event[name] ?? null]));
    const message = {
      key: changeKey(texts, `public.${table}`),
      value: JSON.stringify({ ...event, __op: 'c', __s: schema, __t: table }),
    };
    const partition = partitionOf(message.key, PARTITIONS);
    const offset = log.next[partition] ?? 0;
    log.next[partition] = offset + 1;
    log.records.push(kafkaRecord(log.region.name, message, { partition, offset }));
    if ((event._last_updated ?? '') > log.last) log.last = event._last_updated ?? '';
  }
}

const TEXTS = ['', 'x', 'a,b', 'q"uote', 'back\\slash', 'é😀', 'nl\n', 'NULL', '{}'] as const;
const ITEM_IDS = [1, 2, 3, 4, 5, 6, 7, 8] as const;
const NAMES = ['', 'a', "a'b"] as const;
const NUMBERS = ['1.5', '1.50', '-2', '30'] as const;

/** One random write of the application: an upsert, a delete, or a changed key. */
export async function writeAtRandom(log: Log, random: Random): Promise<void> {
  await (random.chance(0.6) ? writeItem : writePair)(log.region, random);
  await publish(log);
}

async function writeItem({ sql }: Region, random: Random): Promise<void> {
  const [id, other] = [random.pick(ITEM_IDS), random.pick(ITEM_IDS)];
  if (random.chance(0.25)) await sql`delete from items where id = ${id}`;
  else if (random.chance(0.1))
    await sql`update items set id = ${other} where id = ${id} and not exists (select from items where id = ${other})`;
  else {
    const [label, code] = [random.pick(TEXTS), random.pick(TEXTS).slice(0, 6)];
    await sql`insert into items (id, label, amount, tags, doc, code)
      values (${id}, ${label}, ${random.below(1000)}, array[${label}, null, ${code}], ${JSON.stringify({ label })}::text::jsonb, ${code})
      on conflict (id) do update set label = excluded.label, amount = excluded.amount, code = excluded.code, tags = null`;
  }
}

async function writePair({ sql }: Region, random: Random): Promise<void> {
  const [a, b] = [random.pick(NAMES), random.pick(NUMBERS)];
  if (random.chance(0.3)) await sql`delete from pairs where a = ${a} and b = ${b}::text::numeric`;
  else
    await sql`insert into pairs (a, b, value) values (${a}, ${b}::text::numeric, ${random.pick(TEXTS)})
      on conflict (a, b) do update set value = excluded.value, b = excluded.b`;
}
