import type { Hostile } from './hostile.ts';
import { goodEvent } from './hostile-table.ts';

/** Junk for every type: what its input function refuses. */
const JUNK: Readonly<Record<string, readonly string[]>> = {
  n: ['x', '', '1.5', '32768', '-32769', '1e3', '0x', ' ', '1;'],
  m: ['2147483648', 'one'],
  big: ['9223372036854775808', '--1', '1,000'],
  amount: ['10000', '-99999.99', '1e400', '1.2.3', '1e', '$5'],
  f: ['1e400', 'x', '1,5'],
  flag: ['maybe', '2', 'tf'],
  born: ['2026-02-30', 'yesterday-ish', '5874898-01-01', '99999999-01-01'],
  clock: ['25:00:00', '12:60', 'noonish'],
  at: ['2026-13-01', '294277-01-01', 'junk+00'],
  span: ['1 fortnight-ish', '99999999999 years'],
  uid: ['x', 'a0eebc99-9c0b-4ef8-bb6d', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g'],
  doc: ['{', '', "{'a':1}", '"\\u0000"', '{"a":1}}', '"\\ud800"', `${'['.repeat(40_000)}${']'.repeat(40_000)}`],
  raw: ['{', 'nul', '[1,]', `${'['.repeat(40_000)}${']'.repeat(40_000)}`],
  bin: ['\\x0', '\\xzz', '\\9', '\\'],
  tags: ['{', '}', 'a', '{a', '{{a},{b,c}}', '{"a}', '[2:1]={a}'],
  nums: ['{x}', '{1,}', '{{1},{2,3}}', '[1:99999999999]={1}'],
  mood: ['angry', '', 'HAPPY', "happy' or true"],
  pos: ['0', '-1', 'x'],
  rng: ['[5,1)', '[x,y)', '1', '[1,2'],
  ip: ['999.0.0.1', '::g', '1.2.3.4/33'],
  net: ['10.0.0.1/8', 'x'],
  mac: ['xx:00', '08:00:2b:01:02'],
  bits: ['10', '1011', '102', 'xyz'],
  pt: ['(1)', '1,2,3', '(a,b)'],
  poly: ['((0,0),(1', '()'],
  x: ['<a>', '<a></b>', '&nbsp;'],
  tsv: ["'unterminated", "a:x'"],
  tsq: ['a &', '& a', '!!!', "'a"],
  cls: ['no_such_table', 'a.b.c.d', ''],
  fn: ['no_such_function', 'now()', '='],
  typ: ['no_such_type', 'int4(', '[]'],
  ns: ['no_such_schema', '"', 'a.b'],
  jp: ['$.', '$[', 'x y'],
  h: ['a', 'a=>', '"a"=>"b', '=>'],
  lt: ['a..b', '.', 'a b'],
  lq: ['a{', '*.*{'],
  pr: ['(1)', '(x,y)', '(1,2,3)', '1,2'],
  lsn: ['x', '0/', '123'],
  cash: ['lots', '1e5'],
  short: ['sixsix', '123456'],
  positive: ['0', '-5'],
  grumpy: ['x'],
};

/** Texts that try to be something else: they must arrive as they are. */
const TEXTS = [
  "'; drop table canary; --",
  '"; drop table canary; --',
  '); drop table canary; --',
  '$$; drop table canary; $$',
  "' || (select 1) || '",
  '$1',
  '$2::text',
  '{}',
  '{a,b}',
  '{"a"}',
  'NULL',
  'null',
  '"',
  '""',
  "'",
  '\\',
  '\\\\',
  '\\x41',
  '\\u0041',
  '\\"',
  'a\\',
  '%s',
  '%I',
  '${x}',
  '`x`',
  ',',
  '\t\n\r\b\f',
  '\u0001\u0002\u001f',
  '\u007f\u0085\u00a0',
  '\u2028\u2029',
  '\u202Ertl',
  '\uFEFFbom',
  '\uFFFD',
  '😀',
  'e\u0301',
  '\u{10ffff}',
  '  padded  ',
  '',
  '__debezium_unavailable_value',
  '\u0001","\u0001',
  'x'.repeat(15_000),
];

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function texts(): Hostile[] {
  return TEXTS.flatMap((text): Hostile[] => {
    const event = goodEvent({ label: text });
    const named = { ...goodEvent(), __t: 'named', name: `${text.slice(0, 100)}!`, v: text };
    const { id: _, label: __, ...key } = named as Record<string, unknown>;
    return [
      {
        what: `the text ${JSON.stringify(text.slice(0, 30))}`,
        becomes: 'applied',
        value: JSON.stringify(event),
        query: `select label as text from victims where id = ${event.id}`,
        expected: text,
      },
      {
        what: `the key ${JSON.stringify(text.slice(0, 30))}`,
        becomes: 'applied',
        value: JSON.stringify(key),
        query: `select v as text from named where name = ${literal(`${text.slice(0, 100)}!`)}`,
        expected: text,
      },
    ];
  });
}

function keys(): Hostile[] {
  const keyed = (id: unknown, becomes: Hostile['becomes'], more: Partial<Hostile> = {}): Hostile => ({
    what: `id ${JSON.stringify(id)}`,
    becomes,
    value: JSON.stringify({ ...goodEvent(), id }),
    ...more,
  });
  const { id: _, ...missing } = goodEvent();
  const { id: __, ...buried } = goodEvent({}, 'tombstone');
  return [
    { what: 'no key', becomes: 'bad_key', value: JSON.stringify(missing) },
    { what: 'no key of a tombstone', becomes: 'bad_key', value: JSON.stringify(buried) },
    keyed(null, 'bad_key'),
    ...[7, true, {}, []].map((id) => keyed(id, 'contract')),
    ...['', 'x', '1.5', '1e3', '9223372036854775808', "1'; drop table canary; --", '1 2', '{1}'].map((id) =>
      keyed(id, 'refused'),
    ),
    ...['007', '+8', ' 9', '-0'].map((id) =>
      keyed(id, 'applied', { query: `select label as text from victims where id = ${Number(id)}`, expected: 'x' }),
    ),
  ];
}

function tombstones(): Hostile[] {
  const buried = (image: unknown, becomes: Hostile['becomes']): Hostile => ({
    what: `image ${JSON.stringify(image).slice(0, 40)}`,
    becomes,
    value: JSON.stringify({ ...goodEvent({}, 'tombstone'), image }),
  });
  return [
    ...['{', '', 'x', "{'a': 1}", '{"a":1}}', '['.repeat(40_000) + ']'.repeat(40_000)].map((image) =>
      buried(image, 'refused'),
    ),
    ...[7, {}, [], false].map((image) => buried(image, 'contract')),
    ...[null, 'null', '[]', '"text"', '"\\u0000"', '{"a": 1e1000}', '{"__proto__": {"x": 1}}'].map((image) =>
      buried(image, 'applied'),
    ),
  ];
}

/** What a column's type, a constraint or PostgreSQL's text refuses; and what only looks like it. */
export function hostileValues(): Hostile[] {
  const one = (what: string, becomes: Hostile['becomes'], columns: Record<string, unknown>): Hostile => ({
    what,
    becomes,
    value: JSON.stringify({ ...goodEvent(), ...columns }),
  });
  return [
    ...Object.entries(JUNK).flatMap(([column, values]) =>
      values.map((value) => one(`${column} ${value.slice(0, 40)}`, 'refused', { [column]: value })),
    ),
    ...[5, 1.5, true, {}, [], [null]].map((value) =>
      one(`label ${JSON.stringify(value)}`, 'contract', { label: value }),
    ),
    one('a required column without a value', 'refused', { required: null }),
    // Held, and not parked: nothing is wrong with it.
    one('a value that another row holds', 'applied', { email: 'taken' }),
    one('a placeholder', 'unavailable_value', { label: '__concord_unavailable_b7c0d9e2a1f84f0c' }),
    one('NUL', 'nul', { label: 'a\u0000b' }),
    one('only NUL', 'nul', { label: '\u0000' }),
    one('NUL in the key', 'nul', { id: '1\u0000' }),
    ...['\ud800', '\udc00', '\udc00\ud800', 'a\ud83d', '\ude00b'].map((label) =>
      one('a lone surrogate', 'surrogate', { label }),
    ),
    one('a surrogate pair', 'applied', { label: '\ud83d\ude00' }),
    ...texts(),
    ...keys(),
    ...tombstones(),
  ];
}
