import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compiled, walked } from '@concord/events';
import Type from 'typebox';

const Point = Type.Object({
  x: Type.Integer({ minimum: 0 }),
  name: Type.Optional(Type.String({ pattern: '^[a-z]+$' })),
});
const VALUES: readonly unknown[] = [
  { x: 0 },
  { x: 1, name: 'a', more: true },
  { x: -1 },
  { x: 1.5 },
  { x: 1, name: 'A' },
  { x: 1, name: null },
  {},
  [],
  null,
  undefined,
  'x',
];

/** The schema, and how often something of it was read. */
function observed(): { schema: typeof Point; reads: () => number } {
  let count = 0;
  const schema = new Proxy(Point, {
    get: (target, name, receiver) => {
      count++;
      return Reflect.get(target, name, receiver);
    },
    has: (target, name) => {
      count++;
      return Reflect.has(target, name);
    },
  });
  return { schema, reads: () => count };
}

describe('values against a schema', () => {
  test('compiled and walked say the same of each, and name what is wrong', () => {
    const [fast, slow] = [compiled(Point), walked(Point)];
    for (const value of VALUES) {
      assert.equal(fast.Check(value), slow.Check(value), JSON.stringify(value));
      assert.deepEqual(fast.Errors(value), slow.Errors(value));
      assert.equal(fast.Errors(value).length === 0, fast.Check(value), JSON.stringify(value));
    }
    assert.deepEqual(
      VALUES.map((value) => fast.Check(value)),
      VALUES.map((_, index) => index < 2),
    );
    assert.equal(fast.Errors({ x: -1 })[0]?.instancePath, '/x');
  });

  test('a schema is compiled with the first value, and not before or again', () => {
    const { schema, reads } = observed();
    const checked = compiled(schema);
    assert.equal(reads(), 0);
    assert.ok(checked.Check({ x: 1 }));
    const once = reads();
    assert.ok(once > 0);
    assert.ok(!checked.Check({ x: -1 }) && checked.Check({ x: 2 }));
    assert.equal(reads(), once);
  });
});
