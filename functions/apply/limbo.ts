import { formatStamp } from '@concord/conflict';
import { CONNECTOR_FIELDS, isInternalTopic, LOCAL_COLUMN, originOf } from '@concord/events';
import { arrayLiteral, type Db, send } from '@concord/runtime';
import type { Change } from './change.ts';
import { Overtaken } from './overtaken.ts';
import { keyColumns, type Plan } from './plan.ts';
import { changeOfRow, NO_RECORD } from './states.ts';

type Event = Readonly<Record<string, string | null>>;

const OWN: ReadonlySet<string> = new Set([LOCAL_COLUMN, ...CONNECTOR_FIELDS]);

/** A row as limbo keeps it: every column that is written, also those that its event lacks. */
function rowEvent(plan: Plan, { event }: Pick<Change, 'event'>): Event {
  const entries = plan.rowColumns.map(({ name, constantDefault }) => {
    const value = Object.hasOwn(event, name) ? event[name] : undefined;
    return [name, typeof value === 'string' || value === null ? value : constantDefault] as const;
  });
  return Object.fromEntries(entries.filter(([name]) => !OWN.has(name)));
}

/** `["1", "b"]`: the primary key of a row in limbo and in the conflict log. */
const keyJson = (plan: Plan, { event }: Pick<Change, 'event'>): string =>
  JSON.stringify(keyColumns(plan).map(({ name }) => event[name] ?? null));

/** All held rows of a table; each goes by the partition that brought it. */
export async function readLimbo(db: Db, plan: Plan): Promise<Change[]> {
  const rows = await send<{ event: Event; topic: string | null; partition: number | null }[]>(
    db,
    'select event, topic, partition from concord.limbo where table_name = $1::text order by key',
    [plan.table.name],
  );
  return rows.map(({ event, topic, partition }) => ({
    ...changeOfRow(plan, event),
    record: { ...NO_RECORD, topic: topic ?? '', partition: partition ?? 0 },
  }));
}

/** Which of these tables have held rows. */
export async function readHolding(db: Db, tables: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await send<{ name: string }[]>(
    db,
    `select t.name from (select unnest($1::text[]) as name) t where exists (select from concord.limbo l where l.table_name = t.name)`,
    [arrayLiteral(tables)],
  );
  return new Set(rows.map(({ name }) => name));
}

/** A held row, and the row that is visible in its place. */
export type Held = { readonly change: Change; readonly holder: Change | undefined };

/** Keeps rows that are not visible now. Throws `Overtaken` where another transaction put one of them there. */
export async function putIntoLimbo(db: Db, plan: Plan, held: readonly Held[]): Promise<void> {
  if (held.length === 0) return;
  const column = (text: (held: Held) => string | null): string => arrayLiteral(held.map(text));
  const placeOf = ({ change: { record } }: Held): { topic: string; partition: number } | undefined => {
    const { topic, partition } = originOf(record);
    return topic === '' || isInternalTopic(topic) ? undefined : { topic, partition };
  };
  const put = await send(
    db,
    /* sql */ `
insert into concord.limbo (table_name, key, event, stamp, region, held_by, topic, partition)
select $1::text, unnest($2::jsonb[]), unnest($3::json[]), unnest($4::timestamptz[]), unnest($5::text[]), unnest($6::jsonb[]),
  unnest($7::text[]), unnest($8::int4[])
on conflict (table_name, key) do nothing`,
    [
      plan.table.name,
      column(({ change }) => keyJson(plan, change)),
      column(({ change }) => JSON.stringify(rowEvent(plan, change))),
      column(({ change }) => formatStamp(change.stamp)),
      column(({ change }) => change.region),
      column(({ holder }) => (holder === undefined ? null : keyJson(plan, holder))),
      column((row) => placeOf(row)?.topic ?? null),
      column((row) => String(placeOf(row)?.partition ?? '') || null),
    ],
  );
  if (put.count !== held.length) throw new Overtaken();
}

/** Takes rows out of limbo that are still what was read. Throws `Overtaken` where one is not. */
export async function takeFromLimbo(db: Db, plan: Plan, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return;
  const taken = await send(
    db,
    `delete from concord.limbo l using (select unnest($2::jsonb[]) as key, unnest($3::text[]) as vector) r
     where l.table_name = $1::text and l.key = r.key and l.event ->> '_version_vector' = r.vector`,
    [
      plan.table.name,
      arrayLiteral(changes.map((change) => keyJson(plan, change))),
      arrayLiteral(changes.map(({ event }) => event._version_vector)),
    ],
  );
  if (taken.count !== changes.length) throw new Overtaken();
}

/** Rows that were held and are visible now count for the partitions that brought them. */
export async function countPromoted(db: Db, promoted: readonly Change[]): Promise<void> {
  const delivered = promoted.map(({ record }) => originOf(record)).filter(({ topic }) => topic !== '');
  if (delivered.length === 0) return;
  await send(
    db,
    `update concord.watermark w set promoted = w.promoted + p.rows
     from (select topic, partition, count(*) as rows from (select unnest($1::text[]) as topic, unnest($2::int4[]) as partition) r group by 1, 2) p
     where w.topic = p.topic and w.partition = p.partition`,
    [
      arrayLiteral(delivered.map(({ topic }) => topic)),
      arrayLiteral(delivered.map(({ partition }) => String(partition))),
    ],
  );
}
