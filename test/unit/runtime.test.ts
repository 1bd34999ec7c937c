import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arrayLiteral, decodeValue, ident, literal, qualified, rawBytes, recordsOf } from '@concord/runtime';

describe('SQL texts', () => {
  test('identifiers', () => {
    assert.equal(ident('users'), '"users"');
    assert.equal(ident('a"; drop table b; --'), '"a""; drop table b; --"');
    assert.equal(qualified('public.users'), '"public"."users"');
    assert.equal(qualified('a"b.c"d'), '"a""b"."c""d"');
  });
  test('literals', () => {
    assert.equal(literal("it's"), "'it''s'");
    assert.equal(literal("a\\'b"), "E'a\\\\''b'");
    assert.equal(literal(''), "''");
  });
  test('array literals', () => {
    const cases: [values: (string | null)[], text: string][] = [
      [[], '{}'],
      [['a', null, 'b"c'], '{"a",null,"b\\"c"}'],
      [['null', 'NULL', '', ' '], '{"null","NULL",""," "}'],
      [['a\\b', '{1,2}'], '{"a\\\\b","{1,2}"}'],
      [['\u0001', '\n', null, '"'], '{"\u0001","\n",null,"\\""}'],
      [['\\n'], '{"\\\\n"}'],
    ];
    for (const [values, text] of cases) assert.equal(arrayLiteral(values), text);
  });
});

const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64');
const LIMIT = 1024;

describe('the value of a record', () => {
  const good: [text: string, value: unknown][] = [
    ['{"a":"1","b":null}', { a: '1', b: null }],
    ['null', null],
    ['"é 𝄞 \\u00e9"', 'é 𝄞 é'],
    ['"\\ud834\\udd1e"', '𝄞'],
    ['"\\\\u0000 and \\\\ud800"', '\\u0000 and \\ud800'],
  ];
  for (const [text, value] of good)
    test(`${text} is read`, () => assert.deepEqual(decodeValue(base64(text), LIMIT), { ok: true, value }));

  const bad: [name: string, value: string | null | undefined, reason: string][] = [
    ['null', null, 'empty'],
    ['an absent value', undefined, 'empty'],
    ['an empty text', '', 'empty'],
    ['no JSON', base64('{"a":'), 'not_json'],
    ['bytes that are no text', base64(Uint8Array.of(0x22, 0xff, 0x22)), 'not_utf8'],
    ['a surrogate in bytes', base64(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)), 'not_utf8'],
    ['0x00 escaped', base64('{"a":"x\\u0000"}'), 'nul'],
    ['0x00 in a name', base64('{"\\u0000":"x"}'), 'nul'],
    ['0x00 deep inside', base64('[[{"a":["\\u0000"]}]]'), 'nul'],
    ['0x00 as it is', base64('"\0"'), 'not_json'],
    ['a lone surrogate', base64('"\\uD800"'), 'surrogate'],
    ['a lone surrogate in a name', base64('{"\\udfff":1}'), 'surrogate'],
    ['surrogates in the wrong order', base64('"\\udd1e\\ud834"'), 'surrogate'],
    ['more than the limit', base64(`"${'x'.repeat(LIMIT + 1)}"`), 'oversized'],
  ];
  for (const [name, value, reason] of bad)
    test(`${name} is refused as ${reason}`, () => {
      const decoded = decodeValue(value, LIMIT);
      assert.ok(!decoded.ok);
      assert.equal(decoded.reason, reason);
      assert.notEqual(decoded.error, '');
    });
  test('up to the limit is read: its base64 tells the size to two bytes', () => {
    for (const length of [LIMIT - 2, LIMIT - 3, LIMIT - 4])
      assert.ok(decodeValue(base64(`"${'x'.repeat(length)}"`), LIMIT).ok);
  });
  test('bytes are null where Kafka has none', () => {
    assert.deepEqual([rawBytes(null), rawBytes(undefined)], [null, null]);
    assert.deepEqual(rawBytes(''), Buffer.alloc(0));
    assert.deepEqual(rawBytes(base64(Uint8Array.of(0, 255))), Buffer.of(0, 255));
  });
});

test('the records of an event come partition by partition', () => {
  const record = (partition: number, offset: number) => ({
    topic: 'cdc.a',
    partition,
    offset,
    timestamp: 0,
    timestampType: 'CREATE_TIME',
  });
  const records = { 'cdc.a-1': [record(1, 5), record(1, 6)], 'cdc.a-0': [record(0, 9)] };
  const event = { eventSource: 'aws:kafka' as const, records };
  assert.deepEqual(
    recordsOf(event).map(({ partition, offset }) => [partition, offset]),
    [
      [1, 5],
      [1, 6],
      [0, 9],
    ],
  );
  assert.deepEqual(recordsOf({ ...event, records: {} }), []);
});
