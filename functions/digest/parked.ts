import type { Key } from '@concord/events';
import type { TransactionSql } from '@concord/runtime';
import type { DigestTable } from './table.ts';

/**
 * Records that may be of a table, as `p`: also those that do not tell. What is below its horizon was decided: it is no longer
 * waited for.
 */
export const MAY_BE_OF = `(p.table_name = $1::text or p.table_name is null) and p.reason <> 'below_horizon'`;

const FETCHED = 1000;

/** Primary keys, as texts, of records that are parked here and that name this table. */
export async function readParkedKeys(tx: TransactionSql, { table, keyColumns }: DigestTable): Promise<Key[]> {
  const query = tx.unsafe<{ key: Uint8Array }[]>(
    `select p.key from concord.parked p where ${MAY_BE_OF} and p.key is not null`,
    [table.name],
  );
  const keys = new Map<string, Key>();
  for await (const rows of query.cursor(FETCHED))
    for (const { key } of rows as unknown as { key: Uint8Array }[]) {
      const texts = keyOfRecord(
        key,
        table.name,
        keyColumns.map(({ name }) => name),
      );
      if (texts !== undefined) keys.set(JSON.stringify(texts), texts);
    }
  return [...keys.values()];
}

function keyOfRecord(bytes: Uint8Array, table: string, names: readonly string[]): Key | undefined {
  try {
    const key: Readonly<Record<string, unknown>> = JSON.parse(Buffer.from(bytes).toString('utf8'));
    const texts = names.map((name) => key[name]);
    const isKey = key._table === table && texts.every((text) => typeof text === 'string' && !text.includes('\0'));
    return isKey ? (texts as Key) : undefined;
  } catch {
    return undefined;
  }
}
