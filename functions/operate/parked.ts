import { isUtf8 } from 'node:buffer';
import { arrayLiteral, type Sql } from '@concord/runtime';
import { Refused } from './refused.ts';

/** `waiting`: tried again by itself. `stopped`: by itself nothing would change. `archived`: tried too often. */
export const PARKED_STATES = ['waiting', 'stopped', 'archived'] as const;
export type ParkedState = (typeof PARKED_STATES)[number];

/** All that is given must hold; nothing given means every parked record. */
export type ParkedFilter = {
  readonly ids?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  readonly table?: string | undefined;
  readonly topic?: string | undefined;
  /** Parked at this time or later. */
  readonly since?: Date | undefined;
  readonly state?: ParkedState | undefined;
};

const STATE = /* sql */ `case when p.archived_at is not null then 'archived' when p.retry_at is not null then 'waiting' else 'stopped' end`;

/** Parameters $1 to $6, of `concord.parked p`. */
export const MATCHES = /* sql */ `
($1::int8[] is null or p.id = any($1::int8[])) and ($2::text is null or p.reason = $2::text) and ($3::text is null or p.table_name = $3::text)
and ($4::text is null or p.topic = $4::text) and ($5::text is null or p.parked_at >= $5::text::timestamptz) and ($6::text is null or ${STATE} = $6::text)`;

export const parametersOf = ({ ids, reason, table, topic, since, state }: ParkedFilter): (string | null)[] => [
  ids === undefined ? null : arrayLiteral(ids.map(checkedId)),
  reason ?? null,
  table ?? null,
  topic ?? null,
  since?.toISOString() ?? null,
  state ?? null,
];

function checkedId(id: string): string {
  if (/^\d{1,18}$/.test(id)) return id;
  throw new Refused(`'${id}' is not the id of a parked record`, '`concord parked` lists them with their numbers');
}

/** Parked records of one reason and table. */
export type ParkedGroup = {
  readonly reason: string;
  /** Null where the record does not tell. */
  readonly table: string | null;
  readonly records: number;
  readonly waiting: number;
  readonly stopped: number;
  readonly archived: number;
  /** ISO 8601 in UTC. */
  readonly oldest: string;
  /** Of the oldest. */
  readonly error: string;
};

const time = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

export const groupParked = (sql: Sql, filter: ParkedFilter = {}): Promise<ParkedGroup[]> =>
  sql.unsafe<ParkedGroup[]>(
    `select p.reason, p.table_name as "table", count(*)::int as records, count(*) filter (where ${STATE} = 'waiting')::int as waiting,
       count(*) filter (where ${STATE} = 'stopped')::int as stopped, count(*) filter (where ${STATE} = 'archived')::int as archived,
       ${time('min(p.parked_at)')} as oldest, (array_agg(p.error order by p.id))[1] as error
     from concord.parked p where ${MATCHES} group by p.reason, p.table_name order by 3 desc, 1, 2`,
    parametersOf(filter),
  );

/** A parked record without its bytes. Times are ISO 8601 in UTC. */
export type ParkedLine = {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** Who handed it to apply; null: its topic delivered it. */
  readonly via: string | null;
  readonly table: string | null;
  readonly stamp: string | null;
  readonly reason: string;
  readonly error: string;
  readonly state: ParkedState;
  readonly attempts: number;
  readonly parkedAt: string;
  readonly lastTriedAt: string | null;
  readonly retryAt: string | null;
};

const LINE = /* sql */ `
p.id::text, p.topic, p.partition, p."offset"::text, p.via, p.table_name as "table", to_char(p.stamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as stamp,
p.reason, p.error, ${STATE} as state, p.attempts, ${time('p.parked_at')} as "parkedAt", ${time('p.last_tried_at')} as "lastTriedAt", ${time('p.retry_at')} as "retryAt"`;

/** The oldest first. */
export const listParked = (sql: Sql, filter: ParkedFilter, limit: number): Promise<ParkedLine[]> =>
  sql.unsafe<ParkedLine[]>(`select ${LINE} from concord.parked p where ${MATCHES} order by p.id limit $7::int`, [
    ...parametersOf(filter),
    limit,
  ]);

/** With what it holds: a JSON value, else text, else the bytes as `\x…`. */
export type ParkedRecord = ParkedLine & { readonly key: unknown; readonly value: unknown };

type Bytes = { readonly key: Uint8Array | null; readonly value: Uint8Array | null };

export async function readParked(sql: Sql, id: string): Promise<ParkedRecord> {
  const [row] = await sql.unsafe<(ParkedLine & Bytes)[]>(
    `select ${LINE}, p.key, p.value from concord.parked p where p.id = $1::int8`,
    [checkedId(id)],
  );
  if (row === undefined)
    throw new Refused(
      `no record ${id} is parked here`,
      'it went in by itself, or is in another region: `concord parked`',
    );
  return { ...row, key: contentOf(row.key), value: contentOf(row.value) };
}

function contentOf(bytes: Uint8Array | null): unknown {
  if (bytes === null) return null;
  const buffer = Buffer.from(bytes);
  if (!isUtf8(buffer)) return `\\x${buffer.toString('hex')}`;
  const text = buffer.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
