import { changeKey, tableOf } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { pgoutputDecoder } from '../../local/capture/pgoutput.ts';
import type { Message } from './records.ts';

/** A change as publication `concord` lets it out; of a delete only the table is told. */
export type Published = {
  /** As in the stream: insert, update, delete. */
  readonly op: 'I' | 'U' | 'D';
  /** `public.t`, or `concord_public.t` for a tombstone. */
  readonly table: string;
  /** Texts by column; empty for a delete. */
  readonly row: Readonly<Record<string, string | null>>;
};

/** Creates a slot and returns the function that reads what was published since it was last called. */
export async function readPublished(sql: Sql, slot: string): Promise<() => Promise<Published[]>> {
  await sql`select pg_create_logical_replication_slot(${slot}, 'pgoutput')`;
  const decode = pgoutputDecoder();
  return async () => {
    const rows = await sql<{ data: Buffer }[]>`
      select data from pg_logical_slot_get_binary_changes(${slot}, null, null, 'proto_version', '1', 'publication_names', 'concord')`;
    return rows.flatMap(({ data }) => publishedOf(decode(data)));
  };
}

function publishedOf(message: ReturnType<ReturnType<typeof pgoutputDecoder>>): Published[] {
  if (message.kind !== 'insert' && message.kind !== 'update' && message.kind !== 'delete') return [];
  const { schema, table: name, columns } = message.relation;
  const table = `${schema}.${name}`;
  if (message.kind === 'delete') return [{ op: 'D', table, row: {} }];
  const entries = message.row.map((value, index): [string, string | null] => {
    if (typeof value === 'symbol') throw new Error(`${table}: an unchanged TOAST value was left out`);
    return [columns[index]?.name ?? '', value];
  });
  return [{ op: message.kind === 'insert' ? 'I' : 'U', table, row: Object.fromEntries(entries) }];
}

/** `I t`, `U concord_public.t`, …: what was published, without the rows. */
export const shapeOf = (published: readonly Published[]): string[] =>
  published.map(({ op, table }) => `${op} ${table.replace(/^public\./, '')}`);

/** The inserts and updates as messages of a topic; `key` names the key columns. Raw deletes are never used. */
export function messagesOf(published: readonly Published[], key: readonly string[]): Message[] {
  return published
    .filter(({ op }) => op !== 'D')
    .map(({ op, table, row }) => {
      const [schema = '', name = ''] = [table.slice(0, table.indexOf('.')), table.slice(table.indexOf('.') + 1)];
      const event = { ...row, __op: op === 'I' ? 'c' : 'u', __t: name, __s: schema };
      const keys = Object.fromEntries(key.map((column) => [column, row[column] ?? null]));
      return { key: changeKey(keys, tableOf({ __t: name, __s: schema }).table), value: JSON.stringify(event) };
    });
}
