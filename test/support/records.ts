import { CLAIM_COLUMN, changeKey, type KafkaEvent, type KafkaRecord, topicOf } from '@concord/events';
import { ident, readTables, type Sql } from '@concord/runtime';
import { printed } from './printed.ts';

/** Key and value of a change as the connector would write it. */
export type Message = { key: string; value: string };

const META = (schema: string, table: string): Record<string, unknown> => ({
  __op: 'c',
  __t: table,
  __s: schema,
  __lsn: 1,
  __txId: 1,
  __source_ts_us: 1,
});

/**
 * The rows and tombstones of a table that were written here, as the connector would publish them: each column as its text.
 * Only the present versions; use the capture for every change.
 */
export async function localVersions(sql: Sql, table: string, where = 'true'): Promise<Message[]> {
  const found = (await readTables(sql, [table])).get(table);
  if (found === undefined) throw new Error(`no table ${table}`);
  const columns = found.columns.filter((column) => !column.generated).map((column) => column.name);
  const keys = found.key.map((column) => column.name);
  const rows = await read(sql, found.schema, found.table, columns, where);
  const stamps = columns.filter((name) => name.startsWith('_') && name !== CLAIM_COLUMN);
  const tombstones = await read(sql, `concord_${found.schema}`, found.table, [...keys, 'image', ...stamps], where);
  return [...rows, ...tombstones].map((row) => ({
    key: changeKey(Object.fromEntries(keys.map((name) => [name, row[name] as string])), table),
    value: JSON.stringify(row),
  }));
}

async function read(
  sql: Sql,
  schema: string,
  table: string,
  columns: string[],
  where: string,
): Promise<Record<string, unknown>[]> {
  const texts = columns.map(printed).join(', ');
  const rows = await sql.begin(async (tx) => {
    await tx.unsafe(`set local timezone = 'UTC'`);
    return tx.unsafe(`select ${texts} from ${ident(schema)}.${ident(table)} where _local and (${where})`);
  });
  return rows.map((row) => ({ ...row, ...META(schema, table) }));
}

let offset = 0;

/** A record of `cdc.<region>` with the next offset. */
export const kafkaRecord = (
  region: string,
  message: { key: string | null; value: string | Uint8Array | null },
  at?: { partition?: number; offset?: number },
): KafkaRecord => ({
  topic: topicOf(region),
  partition: at?.partition ?? 0,
  offset: at?.offset ?? offset++,
  timestamp: Date.now(),
  timestampType: 'CREATE_TIME',
  key: message.key === null ? null : Buffer.from(message.key).toString('base64'),
  value: message.value === null ? null : Buffer.from(message.value).toString('base64'),
  headers: [],
});

/** An invocation's payload as Lambda builds it. */
export const kafkaEvent = (records: readonly KafkaRecord[]): KafkaEvent => ({
  eventSource: 'SelfManagedKafka',
  records: Object.fromEntries(Map.groupBy(records, ({ topic, partition }) => `${topic}-${partition}`)),
});
