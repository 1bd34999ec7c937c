import type { DigestAnswers, Key, Reading } from '@concord/events';
import { arrayLiteral, type Sql, sameKey, type TransactionSql, unnestColumns } from '@concord/runtime';
import { idOf } from './hash.ts';
import { type EventLine, LINE, versionOf } from './list.ts';
import { readParkedKeys } from './parked.ts';
import { heldSource, lineColumns, prepare, rowSource, type Source, tombstoneSource } from './source.ts';
import { type DigestTable, readDigestTable } from './table.ts';

type Hashed = Pick<Reading, 'hashing'>;

/** Keys that are asked for, as values of the key's types; texts are bound column by column. */
const askedKeys = ({ keyColumns }: DigestTable, alias: string): string => `(${unnestColumns(keyColumns)}) ${alias}`;

const parametersOf = ({ keyColumns }: DigestTable, keys: readonly Key[]): string[] =>
  keyColumns.map((_, index) => arrayLiteral(keys.map((key) => key[index] as string)));

/**
 * All that is stored of keys, whatever the reading covers: rows, tombstones, held rows; and which of them are unsettled or parked here.
 * Of one moment: a version that moves meanwhile is seen in one place.
 */
export function readVersions(sql: Sql, reading: Reading, keys: readonly Key[]): Promise<DigestAnswers['versions']> {
  return sql.begin(async (tx) => {
    await tx.unsafe('set transaction isolation level repeatable read, read only');
    const digest = await readDigestTable(tx, reading.table);
    refuseOtherKeys(digest, keys);
    await prepare(tx, digest);
    const parameters = parametersOf(digest, keys);
    const read = async (source: Source) => {
      const found = await tx.unsafe<EventLine[]>(
        `select ${LINE}, "concord event"::text as event from (select ${lineColumns(digest, reading, source)}, ${source.event} as "concord event"
         from ${askedKeys(digest, 'k')} join ${source.from} on ${sameKey(digest.table, 't', 'k')}) v`,
        parameters,
      );
      return found.map(versionOf);
    };
    const versions = [
      ...(await read(rowSource(digest))),
      ...(await read(tombstoneSource(digest))),
      ...(await read(heldSource(digest))),
    ];
    const asked = new Set(await idsOf(tx, digest, reading, keys));
    const parked = await parkedIds(tx, digest, reading);
    const unsettled = await unsettledIds(tx, digest, reading);
    const isAsked = (id: string): boolean => asked.has(id);
    return { versions, unsettled: unsettled.filter(isAsked), parked: parked.filter(isAsked) };
  }) as Promise<DigestAnswers['versions']>;
}

function refuseOtherKeys({ table, keyColumns }: DigestTable, keys: readonly Key[]): void {
  const wrong = keys.find((key) => key.length !== keyColumns.length);
  if (wrong !== undefined)
    throw new Error(
      `the primary key of ${table.name} has ${keyColumns.length} column(s): ${JSON.stringify(wrong)} is none`,
    );
}

async function idsOf(
  tx: TransactionSql,
  digest: DigestTable,
  { hashing }: Hashed,
  keys: readonly Key[],
): Promise<string[]> {
  if (keys.length === 0) return [];
  const statement = `select ${idOf(digest, hashing)} as id from ${askedKeys(digest, 't')}`;
  const found = await tx.unsafe<{ id: string }[]>(statement, parametersOf(digest, keys));
  return found.map(({ id }) => id);
}

/** Keys of applied tombstones that an insert in flight may not have seen. */
export async function unsettledIds(tx: TransactionSql, digest: DigestTable, reading: Hashed): Promise<string[]> {
  const rows = await tx.unsafe<{ key: string[] }[]>(
    'select to_json(key) as key from concord.unsettled where table_name = $1::text',
    [digest.table.name],
  );
  const keys = rows.map(({ key }) => key).filter((key) => key.length === digest.keyColumns.length);
  return [...new Set(await idsOf(tx, digest, reading, keys))];
}

/** A parked record's key is whatever was delivered: one that is no key of this table concerns none of its rows. */
export async function parkedIds(tx: TransactionSql, digest: DigestTable, reading: Hashed): Promise<string[]> {
  const keys = await readParkedKeys(tx, digest);
  const idsOrNone = async (some: readonly Key[]): Promise<string[]> => {
    try {
      return (await tx.savepoint((sp) => idsOf(sp, digest, reading, some))) as string[];
    } catch (error) {
      if (!isDataError(error)) throw error;
      if (some.length === 1) return [];
      const half = some.length >> 1;
      return [...(await idsOrNone(some.slice(0, half))), ...(await idsOrNone(some.slice(half)))];
    }
  };
  return keys.length === 0 ? [] : [...new Set(await idsOrNone(keys))];
}

/** Class 22: a text that is no value of its type; 23: a value that its domain refuses. */
export const isDataError = (error: unknown): boolean => /^(?:22|23)/.test((error as { code?: string }).code ?? '');
