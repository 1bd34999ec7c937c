import type { Tables } from './catalogue-cache.ts';
import { keyOf } from './decode.ts';

/** The table of a row and its key texts, joined as in `Change.key`. */
export type RowKey = { readonly table: string; readonly key: string };

/**
 * The row that a record's Kafka key names, in base64; undefined where it names none. Most keys are of one column and spelled as `changeKey`
 * does, `{"id":"7","_table":"public.users"}`: these are compared with what stands around the value instead of being parsed, which takes half
 * of the time. No row can be written before all keys of an invocation are in order.
 */
export function rowKey(base64: string, tables: Tables): RowKey | undefined {
  try {
    return plainKey(atob(base64), spellingsOf(tables)) ?? parsedKey(base64, tables);
  } catch {
    // Neither base64 nor JSON.
    return undefined;
  }
}

/** What stands before the value of a key of one column, by what stands after it: `{"id":"` by `","_table":"public.users"}`. */
type Spellings = ReadonlyMap<string, { readonly table: string; readonly before: string }>;

const TABLE = '","_table":';
/** A quote or an escape tells another spelling; a byte above ASCII is only a part of a character. */
const NOT_PLAIN = /["\\\x80-\xff]/;

function plainKey(bytes: string, spellings: Spellings): RowKey | undefined {
  const end = bytes.lastIndexOf(TABLE);
  const spelling = spellings.get(bytes.slice(end));
  if (spelling === undefined || !bytes.startsWith(spelling.before)) return undefined;
  const key = bytes.slice(spelling.before.length, end);
  return NOT_PLAIN.test(key) ? undefined : { table: spelling.table, key };
}

function parsedKey(base64: string, tables: Tables): RowKey | undefined {
  const names = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  const table = tables.get(names._table);
  const key = table && keyOf(names, table);
  return key === undefined ? undefined : { table: names._table, key };
}

const known = new WeakMap<Tables, Spellings>();

function spellingsOf(tables: Tables): Spellings {
  const spellings = known.get(tables) ?? makeSpellings(tables);
  known.set(tables, spellings);
  return spellings;
}

function makeSpellings(tables: Tables): Spellings {
  const ofOneColumn = [...tables].filter(([, { key }]) => key.length === 1);
  return new Map(
    ofOneColumn.map(([table, { key }]) => {
      const before = `{${JSON.stringify(key[0]?.name)}:"`;
      return [`${TABLE}${JSON.stringify(table)}}`, { table, before }];
    }),
  );
}
