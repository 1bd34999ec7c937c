import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arrayLiteral } from '@concord/runtime';
import fc from 'fast-check';
import { holds } from '../support/property.ts';

/** Reads a one-dimensional literal as PostgreSQL does: quoted items, a backslash takes the next character as it is. */
function readLiteral(literal: string): (string | null)[] {
  assert.ok(literal.startsWith('{') && literal.endsWith('}'));
  const items: (string | null)[] = [];
  const item = /(?:"((?:[^"\\]|\\.)*)"|null)(,|$)/isy;
  const body = literal.slice(1, -1);
  for (let at = 0; at < body.length; ) {
    item.lastIndex = at;
    const match = item.exec(body);
    assert.ok(match !== null, `no item at ${at} of ${literal}`);
    items.push(match[1] === undefined ? null : match[1].replaceAll(/\\(.)/gs, '$1'));
    at = item.lastIndex;
  }
  return items;
}

const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom('"', '\\', ',', '{', '}', ' ', '\u0001', '\n', 'NULL', 'a', 'é', '💥') }),
  fc.constantFrom('', 'NULL', 'null', '\u0001', '","', '\\'),
);

describe('an array literal', () => {
  test('reads back as the texts that it was made of', () => {
    holds(
      fc.property(fc.array(texts, { maxLength: 6 }), (values) => {
        assert.deepEqual(readLiteral(arrayLiteral(values)), values);
      }),
      { numRuns: 5000 },
    );
  });

  test('keeps nulls apart from the text NULL', () => {
    holds(
      fc.property(fc.array(fc.option(texts), { maxLength: 6 }), (values) => {
        assert.deepEqual(readLiteral(arrayLiteral(values)), values);
      }),
      { numRuns: 5000 },
    );
  });
});
