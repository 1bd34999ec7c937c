import { compare, parseStamp, parseVector, type Vector } from '@concord/conflict';
import { type ChangeEvent, type KafkaRecord, STAMP_COLUMNS, tableOf } from '@concord/events';
import { ident, readTables, type Sql } from '@concord/runtime';
import { printed } from './printed.ts';

/** A version as a region holds it or a log carries it, reduced to what has to be equal everywhere. */
export type Held = {
  readonly row: string;
  readonly kind: 'row' | 'tombstone';
  readonly stamp: number;
  readonly region: string;
  readonly vector: Vector;
  /** Every column's text; of a tombstone key, image and stamps. */
  readonly texts: Readonly<Record<string, unknown>>;
};

/** 1.5 and 1.50 are one row: numbers in keys are compared as numbers. */
const identity = (table: string, key: readonly string[], texts: Readonly<Record<string, unknown>>): string =>
  JSON.stringify([
    table,
    ...key.map((name) => (/^-?[0-9.]+$/.test(String(texts[name])) ? Number(texts[name]) : texts[name])),
  ]);

const OWN = /^__/;

function held(table: string, kind: Held['kind'], key: readonly string[], texts: Record<string, unknown>): Held {
  const stamp = parseStamp(String(texts._last_updated)) ?? Number.NaN;
  const region = String(texts._source_region);
  const vector = parseVector(String(texts._version_vector));
  const own = Object.entries(texts).filter(([name]) => !OWN.test(name) && name !== '_local');
  const sorted = Object.fromEntries(own.sort(([a], [b]) => (a < b ? -1 : 1)));
  return { row: identity(table, key, texts), kind, stamp, region, vector, texts: sorted };
}

/** The key columns of the tables that a test uses. */
export type Keys = Readonly<Record<string, readonly string[]>>;

/** All versions in a log. */
export const versionsIn = (records: readonly KafkaRecord[], keys: Keys): Held[] =>
  records.map((record) => {
    const event = JSON.parse(Buffer.from(record.value ?? '', 'base64').toString()) as ChangeEvent;
    const { table, kind } = tableOf(event);
    return held(table, kind, keys[table] ?? [], event);
  });

/** I2: for each row the greatest of all its versions. */
export function greatest(versions: readonly Held[]): Map<string, Held> {
  const winners = new Map<string, Held>();
  for (const version of versions) {
    const known = winners.get(version.row);
    if (known === undefined || compare(version, known) > 0) winners.set(version.row, version);
  }
  return winners;
}

/** Everything that a region holds: rows, and tombstones, also those that a newer row has made meaningless. */
export async function readVersions(sql: Sql, keys: Keys): Promise<Held[]> {
  const versions: Held[] = [];
  for (const [table, key] of Object.entries(keys)) {
    const found = (await readTables(sql, [table])).get(table);
    if (found === undefined) throw new Error(`no table ${table}`);
    const columns = found.columns
      .filter((column) => !column.generated && column.name !== '_local')
      .map(({ name }) => name);
    const rows = await readTexts(sql, found.schema, found.table, columns);
    const tombstones = await readTexts(sql, `concord_${found.schema}`, found.table, [
      ...key,
      'image',
      ...STAMP_COLUMNS,
    ]);
    versions.push(...rows.map((texts) => held(table, 'row', key, texts)));
    versions.push(...tombstones.map((texts) => held(table, 'tombstone', key, texts)));
  }
  return versions;
}

const readTexts = (
  sql: Sql,
  schema: string,
  table: string,
  columns: readonly string[],
): Promise<Record<string, unknown>[]> =>
  sql.unsafe(`select ${columns.map(printed).join(', ')} from ${ident(schema)}.${ident(table)}`);

/** Where every row and tombstone physically is and which transaction wrote it: equal before and after means nothing was written. */
export async function physicalState(sql: Sql, keys: Keys): Promise<string> {
  const parts = await Promise.all(
    Object.keys(keys).flatMap((table) =>
      [table, `concord_${table}`].map(
        async (name) =>
          (
            await sql.unsafe(
              `select coalesce(json_agg(format('%s %s', ctid, xmin) order by ctid), '[]')::text as state from ${name}`,
            )
          )[0]?.state as string,
      ),
    ),
  );
  return parts.join('\n');
}
