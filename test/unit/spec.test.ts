import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);
const spec = readFileSync(new URL('layers/conflict/SPEC.md', ROOT), 'utf8');

/** What an invariant's section claims: a file, and a piece of the name of a test in it. */
const claimsOf = (text: string): { file: string; name: string }[] =>
  [...text.matchAll(/^- `(test\/[^`]+)`: (.+)$/gm)].map(([, file = '', name = '']) => ({ file, name }));

const sections = spec.split(/^\*\*(?=I\d+ )/m).slice(1);

describe('the specification', () => {
  test('has a section for each invariant', () => {
    const numbers = sections.map((section) => /^I(\d+)/.exec(section)?.[1]);
    assert.deepEqual(
      numbers,
      Array.from({ length: 16 }, (_, index) => String(index + 1)),
    );
  });

  for (const { file, name } of claimsOf(spec))
    test(`${file} has a test '${name}'`, () => {
      const url = new URL(file, ROOT);
      assert.ok(existsSync(url), `${file} does not exist`);
      assert.ok(readFileSync(url, 'utf8').includes(name));
    });

  test('every invariant but the one that is measured names a test', () => {
    const bare = sections.filter((section) => claimsOf(section).length === 0).map((section) => section.slice(0, 3));
    assert.deepEqual(bare, ['I15']);
  });
});
