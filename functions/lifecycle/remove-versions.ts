import type { StoredVersion } from '@concord/events';
import {
  arrayLiteral,
  keyColumnsOf,
  readTables,
  rowsOf,
  type Sql,
  sameKey,
  type Table,
  unnestColumns,
} from '@concord/runtime';

/** Names that no column of a table has. */
const [STAMP, REGION, VECTOR] = ['"concord stamp"', '"concord region"', '"concord vector"'];

function statementOf(table: Table): string {
  const next = table.key.length + 1;
  return `delete from ${rowsOf(table)} t using (${unnestColumns(keyColumnsOf(table))}, unnest($${next}::timestamptz[]) as ${STAMP},
    unnest($${next + 1}::text[]) as ${REGION}, unnest($${next + 2}::jsonb[]) as ${VECTOR}) k
  where ${sameKey(table, 't', 'k')} and t._last_updated = k.${STAMP} and t._source_region = k.${REGION} and t._version_vector = k.${VECTOR}`;
}

const HELD = /* sql */ `
delete from concord.limbo l using (select unnest($2::jsonb[]) as key, unnest($3::text[]) as vector) k
where l.table_name = $1::text and l.key = k.key and l.event ->> '_version_vector' = k.vector`;

/**
 * Deletes rows and held rows that are still the given versions, and leaves no tombstone; returns how many there were. `sql` is of
 * `concord_apply`, for which no trigger fires.
 */
export async function removeVersions(sql: Sql, name: string, versions: readonly StoredVersion[]): Promise<number> {
  return sql.begin(async (tx) => {
    const table = (await readTables(tx, [name])).get(name);
    if (table === undefined) throw new Error(`table ${name} does not exist here`);
    const [rows, held] = [
      versions.filter(({ place }) => place === 'row'),
      versions.filter(({ place }) => place === 'held'),
    ];
    const texts = (of: readonly StoredVersion[], column: string): string =>
      arrayLiteral(of.map(({ event }) => event[column] ?? null));
    const deleted = await tx.unsafe(statementOf(table), [
      ...table.key.map((column) => texts(rows, column.name)),
      ...['_last_updated', '_source_region', '_version_vector'].map((column) => texts(rows, column)),
    ]);
    const keys = arrayLiteral(
      held.map(({ event }) => JSON.stringify(table.key.map((column) => event[column.name] ?? null))),
    );
    const released = await tx.unsafe(HELD, [name, keys, texts(held, '_version_vector')]);
    return deleted.count + released.count;
  }) as Promise<number>;
}
