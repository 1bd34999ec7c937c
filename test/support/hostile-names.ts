import type { Hostile } from './hostile.ts';
import { type Fields, goodEvent } from './hostile-table.ts';

const TABLES: readonly (readonly [schema: string, table: string])[] = [
  ['concord', 'watermark'],
  ['concord', 'parked'],
  ['concord', 'region'],
  ['concord', 'enrolled_table'],
  ['concord_concord', 'watermark'],
  ['pg_catalog', 'pg_class'],
  ['pg_catalog', 'pg_authid'],
  ['information_schema', 'tables'],
  ['pg_temp', 'victims'],
  ['pg_toast', 'x'],
  ['public', 'canary'],
  ['concord_public', 'canary'],
  ['concord_concord_public', 'victims'],
  ['concord_', 'victims'],
  ['concord_concord_', 'victims'],
  ['public', 'VICTIMS'],
  ['PUBLIC', 'victims'],
  ['public', 'victims '],
  [' public', 'victims'],
  ['public', '"victims"'],
  ['public.victims', 'id'],
  ['public', 'public.victims'],
  ['nothing', 'victims'],
  ['__proto__', '__proto__'],
  ['public', 'constructor'],
  ['public', 'x'.repeat(5000)],
  ['public', 'victims; drop table canary; --'],
  ['public"; drop table canary; --', 'victims'],
  ['public', "victims'); drop table canary; --"],
  ['public', '*'],
  ['%', '%'],
  ['public', 'victims where true'],
  ['.', '.'],
  ['public', 'víctims'],
];

const COLUMNS = [
  'nothing',
  'ID',
  ' id',
  'id ',
  '"id"',
  'ctid',
  'xmin',
  'tableoid',
  'oid',
  'image',
  '_table',
  '_claim',
  '__v',
  '',
  ' ',
  '*',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'label" = null, "n',
  'id) values (1); drop table canary; --',
  "x'; drop table canary; --",
  'id, label',
  '$1',
  ':1',
  '?',
  '%s',
  '\u202Elabel',
  'x'.repeat(5000),
];

const withOwn = (event: Fields, name: string, value: unknown): string =>
  `${JSON.stringify(event).slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(value)}}`;

const KEYS: readonly (string | null)[] = [
  null,
  '',
  'junk',
  '{}',
  '[]',
  'null',
  '{"id":"1","_table":"public.canary"}',
  '{"id":"1","_table":"public.victims"}',
  '{"_table":"concord.watermark"}',
  '{"id":null,"_table":"public.victims"}',
  '{"id":{"a":1},"_table":"public.victims"}',
  '{"__proto__":{"id":"1"},"_table":"public.victims"}',
  '{"_table":"__proto__"}',
  '{"_table":{"toString":null}}',
  `{"id":"1'; drop table canary; --","_table":"public.victims"}`,
  'x'.repeat(5000),
  '\u0000',
  '{"id":"\\u0000","_table":"public.victims"}',
  '{"id":"\\ud800","_table":"public.victims"}',
];

/** Tables and columns that are not the event's to name, and Kafka keys that lie. */
export function hostileNames(): Hostile[] {
  const unknown = (what: string, becomes: Hostile['becomes'], value: string): Hostile => ({ what, becomes, value });
  return [
    ...TABLES.map(([schema, table]) =>
      unknown(`table ${schema}.${table}`, 'unknown_table', JSON.stringify({ ...goodEvent(), __s: schema, __t: table })),
    ),
    ...TABLES.slice(0, 16).map(([schema, table]) =>
      unknown(
        `tombstone of ${schema}.${table}`,
        'unknown_table',
        JSON.stringify({ ...goodEvent({}, 'tombstone'), __s: `concord_${schema}`, __t: table }),
      ),
    ),
    ...COLUMNS.map((name) =>
      // The table has unique keys, so its rows do have that one.
      unknown(
        `column ${JSON.stringify(name.slice(0, 40))}`,
        name === '_claim' ? 'unknown_tag' : 'unknown_column',
        withOwn(goodEvent(), name, 'x'),
      ),
    ),
    ...COLUMNS.slice(0, 12)
      .filter((name) => name !== 'image')
      .map((name) =>
        unknown(`column ${name} of a tombstone`, 'unknown_column', withOwn(goodEvent({}, 'tombstone'), name, 'x')),
      ),
    unknown(
      'a column of the row in its tombstone',
      'unknown_column',
      withOwn(goodEvent({}, 'tombstone'), 'label', 'x'),
    ),
    unknown(
      'a row that claims to be a tombstone',
      'unknown_column',
      JSON.stringify({ ...goodEvent(), __s: 'concord_public' }),
    ),
    unknown(
      'a tombstone that claims to be a row',
      'unknown_column',
      JSON.stringify({ ...goodEvent({}, 'tombstone'), __s: 'public' }),
    ),
    unknown(
      'two hundred unknown columns',
      'unknown_column',
      JSON.stringify({ ...goodEvent(), ...Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`c${n}`, 'x'])) }),
    ),
    unknown('a NUL in a name', 'nul', withOwn(goodEvent(), 'a\u0000b', 'x')),
    unknown('a NUL in the table', 'nul', JSON.stringify({ ...goodEvent(), __t: 'victims\u0000' })),
    unknown('a lone surrogate in a name', 'surrogate', withOwn(goodEvent(), '\ud800', 'x')),
    ...KEYS.map(
      (key): Hostile => ({
        what: `Kafka key ${JSON.stringify(key)?.slice(0, 60)}`,
        becomes: 'applied',
        key,
        value: JSON.stringify(goodEvent()),
      }),
    ),
  ];
}
