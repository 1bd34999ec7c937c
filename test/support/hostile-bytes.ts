import type { Hostile } from './hostile.ts';
import { goodEvent, MAX_RECORD_BYTES } from './hostile-table.ts';

const NOT_JSON = [
  ' ',
  '{',
  '}',
  '{}{}',
  'undefined',
  'NaN',
  'Infinity',
  "{'a': 1}",
  '{a: 1}',
  '{"a": 1,}',
  '[1,]',
  '{"a" 1}',
  '// {}',
  '{"a": 01}',
  '{"a": .5}',
  '{"a": "\t"}',
  '"unterminated',
  '{"a": "\\x41"}',
  '{"a": "\\u00"}',
  'tru',
  '\u0000',
  '{"a": "\u0000"}',
  '\uFEFF{}',
  '<xml/>',
  'a: yaml',
  '[[[[',
];
const SHAPES = [
  '[]',
  '[{}]',
  '1',
  '-0',
  '1e400',
  '"text"',
  'null',
  'true',
  '{}',
  '{"a": 1}',
  '{"__t": "victims", "__s": "public"}',
  '[[[[]]]]',
];

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

/** What is no JSON of an event at all. */
export function hostileBytes(): Hostile[] {
  const text = JSON.stringify(goodEvent({ label: 'é😀' }));
  const cuts = [1, 0.1, 0.3, 0.5, 0.7, 0.9].map((part) =>
    part === 1 ? text.slice(0, -1) : text.slice(0, Math.floor(text.length * part)),
  );
  const invalid: [string, number[]][] = [
    ['a byte that UTF-8 never has', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong NUL', [0xc0, 0x80]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a lone continuation', [0x80]],
    ['a cut character', [0xe2, 0x82]],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['latin-1', [0xe9]],
  ];
  const deep = (depth: number, inside = ''): string => '['.repeat(depth) + inside + ']'.repeat(depth);
  return [
    ...(['', null] as const).map((value): Hostile => ({ what: `value ${value}`, becomes: 'empty', value })),
    ...NOT_JSON.map((value): Hostile => ({ what: `no JSON: ${JSON.stringify(value)}`, becomes: 'not_json', value })),
    ...cuts.map((value): Hostile => ({ what: `cut after ${value.length}`, becomes: 'not_json', value })),
    ...SHAPES.map((value): Hostile => ({ what: `shape ${value}`, becomes: 'contract', value })),
    ...invalid.map(
      ([what, wrong]): Hostile => ({
        what,
        becomes: 'not_utf8',
        value: bytes(text.slice(0, -1), ',"label":"', wrong, '"}'),
      }),
    ),
    { what: 'UTF-16', becomes: 'not_utf8', value: Buffer.from(text, 'utf16le') },
    { what: 'a byte order mark', becomes: 'not_json', value: `\uFEFF${text}` },
    { what: 'gzip', becomes: 'not_utf8', value: bytes([0x1f, 0x8b, 0x08, 0x00]) },
    { what: 'Avro with a schema id', becomes: 'not_json', value: bytes([0, 0, 0, 0, 7], 'data') },
    { what: 'no base64', becomes: 'not_utf8', value: null, base64: '!!!###____~~~~====????' },
    { what: 'nested deeply', becomes: 'contract', value: deep(40_000) },
    { what: 'nested deeply in a column', becomes: 'contract', value: `${text.slice(0, -1)},"label":${deep(40_000)}}` },
    { what: 'nested deeply around NUL', becomes: 'not_json', value: deep(40_000, '"\\u0000"') },
    {
      what: 'oversized',
      becomes: 'oversized',
      value: JSON.stringify(goodEvent({ label: 'x'.repeat(MAX_RECORD_BYTES) })),
    },
    { what: 'oversized junk', becomes: 'oversized', value: '['.repeat(MAX_RECORD_BYTES + 10) },
    {
      what: 'as large as allowed',
      becomes: 'applied',
      value: JSON.stringify(goodEvent({ label: 'x'.repeat(MAX_RECORD_BYTES - 500) })),
    },
  ];
}
