import { ident, literal } from '@concord/runtime';

/** Names of columns that some language, library or format treats in a way of its own. */
const NAMES = [
  ...[
    'Upper',
    'with space',
    'qu"ote',
    "apo'strophe",
    'dot.ted',
    'back\\slash',
    'ünï😀',
    'tab\tand\nline',
    'a,b',
    '{',
    '$1',
    '?',
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'select', 'null', '1digit', '123', '-1', '_'],
  ...[
    '_under',
    '__double',
    'before',
    'after',
    'op',
    'ts_ms',
    'source',
    '__deleted',
    '__source_ts_ms',
    '__ts_ms',
    'key',
  ],
  ...['x'.repeat(63), 'é'.repeat(31), ' ', '.', '%s', 'concord n', '\u0001', 'e\u0301', 'é'],
];
/** Each as `schema.table`, which is how a topology names it: no dots. */
export const ODD_TABLES = [
  "Odd Schema', 1.Täble; drop",
  'public.123',
  'public.Users ',
  'public.users_',
  `public.${'😀'.repeat(15)}`,
  'concordat.x',
];

const quoted = (table: string): string => table.split('.').map(ident).join('.');

/** Keys are numbers with a scale and a text, so that rows need all of the key's spelling. */
const createTable = (table: string): string =>
  `create table ${quoted(table)} ("Key 1" numeric, "__proto" text, ${NAMES.map((name) => `${ident(name)} text${name.startsWith('__') ? ` default ${literal(name)}` : ''}`).join(', ')},
    primary key ("__proto", "Key 1"));`;

export const ODD_SCHEMA = `create schema "Odd Schema', 1"; create schema concordat;
${ODD_TABLES.map(createTable).join('\n')}
create table proto ("__proto__" int primary key, v text);`;

/** Inserts, updates, NULLs and deletes in each. */
export const FILL_ODD_TABLES = ODD_TABLES.map((table) => {
  const name = quoted(table);
  const texts = NAMES.map((column) => literal(`${table} ${column}`)).join(', ');
  return `insert into ${name} values (1.50, 'a "b"', ${texts}), (2, '', ${texts}), (3, 'ü', ${texts});
    insert into ${name} ("Key 1", "__proto") values (4, 'defaults');
    insert into ${name} values (5, 'nulls', ${NAMES.map(() => 'null').join(', ')});
    update ${name} set "__proto__" = 'updated', "dot.ted" = null where "Key 1" = 2;
    delete from ${name} where "Key 1" in (3, 4);`;
})
  .concat(
    `insert into proto values (1, 'a'), (2, 'b'); update proto set v = 'c' where "__proto__" = 1; delete from proto where "__proto__" = 2;`,
  )
  .join('\n');

/** All of them with the columns of their keys. */
export const ODD_KEYS: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(ODD_TABLES.map((table) => [table, ['__proto', 'Key 1']])),
  'public.proto': ['__proto__'],
};
