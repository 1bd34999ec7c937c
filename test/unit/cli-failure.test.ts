import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explain, Failure } from '../../cli/failure.ts';
import { table } from '../../cli/table.ts';

describe('explain', () => {
  test('a failure says its message, its hint and its exit code', () => {
    assert.deepEqual(explain(new Failure('no', 'do')), { message: 'no', hint: 'do', exitCode: 1 });
    assert.equal(explain(new Failure('no', 'do', 2)).exitCode, 2);
  });
  test('known codes have a hint, unknown ones say what they say', () => {
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'CONNECT_TIMEOUT', '28P01', '28000', '3D000', '42501', '55P03'])
      assert.ok(explain(Object.assign(new Error('x'), { code })).hint, code);
    const unknown = explain(Object.assign(new Error('x'), { code: 'XX000' }));
    assert.deepEqual(unknown, { message: 'x', hint: undefined, exitCode: 1 });
  });
  test('an error without a message says its code, anything else its text', () => {
    assert.equal(explain(Object.assign(new Error(''), { code: 'ECONNREFUSED' })).message, 'ECONNREFUSED');
    assert.equal(explain('plain').message, 'plain');
  });
  const passwords: [text: string, said: string][] = [
    ['postgres://u:hunter2@h/d is bad', 'postgres://u:***@h/d is bad'],
    ['postgres://:hunter2@h/d', 'postgres://:***@h/d'],
    ['postgres://u:hunt/er2@h/d', 'postgres://u:***@h/d'],
    ['postgres://u:hun@ter2@h/d', 'postgres://u:***@h/d'],
    ['postgres://u:hunter2@a/d and postgres://v:hunter3@b/d', 'postgres://u:***@a/d and postgres://v:***@b/d'],
    ['postgres://u@h/d', 'postgres://u@h/d'],
    ['10:30 me@example.org', '10:30 me@example.org'],
  ];
  for (const [text, said] of passwords)
    test(`'${text}' is told as '${said}'`, () => assert.equal(explain(new Error(text)).message, said));
});

describe('table', () => {
  test('pads texts to the right and numbers to the left, without blanks at the end', () => {
    const rows = [
      { name: 'a', count: 5, note: '' },
      { name: 'long name', count: 12345, note: 'x' },
    ];
    assert.equal(table(rows), 'name       count  note\na              5\nlong name  12345  x');
  });
  test('of nothing is nothing', () => assert.equal(table([]), ''));
});
