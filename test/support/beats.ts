import { type KafkaRecord, type Topology, topicOf } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { heartbeatOf } from './heartbeats.ts';
import { printed } from './printed.ts';
import type { Region } from './regions.ts';

export const micros = (expression: string): string => `(extract(epoch from ${expression}) * 1000000)::int8::text`;

/** A heartbeat; resolves with the closed timestamp that it announces, µs since 1970. */
export async function beat(sql: Sql): Promise<number> {
  await sql`select concord.beat()`;
  return closedOf(sql);
}

/** What this region has announced last, µs since 1970. */
export async function closedOf(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ us: string }[]>(`select ${micros('max(closed_at)')} as us from concord.heartbeat`);
  return Number(row?.us);
}

/** Beats until everything that was written before is closed; resolves with the closed timestamp. */
export async function closeAll(sql: Sql): Promise<number> {
  const [now] = await sql.unsafe<{ us: string }[]>(`select ${micros('clock_timestamp()')} as us`);
  for (;;) {
    const closed = await beat(sql);
    if (closed > Number(now?.us)) return closed;
  }
}

/** The present heartbeat of a region as its topic delivers it, with what it says replaced. */
export async function heartbeatRecord(
  { name, sql }: Pick<Region, 'name' | 'sql'>,
  at: { partition: number; offset: number },
  says: Readonly<Record<string, string>> = {},
): Promise<KafkaRecord> {
  const columns = ['beat_at', 'resolver', 'source_region', 'sequence', 'closed_at', 'seen'];
  const [row] = await sql.begin(async (tx) => {
    await tx.unsafe(`set local timezone = 'UTC'`);
    return tx.unsafe(`select ${columns.map(printed).join(', ')} from concord.heartbeat order by partition limit 1`);
  });
  return { ...heartbeatOf(name, { ...row, ...says }), ...at };
}

const APPLIED = /* sql */ `
select topic, partition, (extract(epoch from closed_at) * 1000000)::int8::text as us from concord.applied_closed`;

/**
 * By other region, by partition of its topic: what was stamped there below it, µs since 1970, was delivered here: it is applied, parked
 * or held. 0 where nothing was delivered yet.
 */
export async function readApplied(
  db: Sql,
  { regions, topics }: Topology,
  here: string,
): Promise<Record<string, readonly number[]>> {
  const rows = await db.unsafe<{ topic: string; partition: number; us: string }[]>(APPLIED);
  const found = new Map(rows.map(({ topic, partition, us }) => [`${topic}-${partition}`, Number(us)]));
  const ofTopic = (topic: string): number[] =>
    Array.from({ length: topics.partitions }, (_, partition) => found.get(`${topic}-${partition}`) ?? 0);
  const others = regions.filter(({ name }) => name !== here);
  return Object.fromEntries(others.map(({ name }) => [name, ofTopic(topicOf(name))]));
}
