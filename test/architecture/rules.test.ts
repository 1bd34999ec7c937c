import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveImport, violationsOf } from './rules.ts';

const rulesOf = (path: string, text: string): string[] => violationsOf({ path, text }).map(({ rule }) => rule);

test('imports point one way', () => {
  assert.deepEqual(rulesOf('events/topic.ts', `import { decide } from '@concord/conflict';`), [
    'events must not import @concord/conflict',
  ]);
  assert.deepEqual(rulesOf('layers/conflict/a.ts', `import { x } from '@concord/events';`), []);
  assert.deepEqual(rulesOf('cdk/app.ts', `import { x } from '../functions/apply/apply.ts';`), [
    'cdk must not import functions/*',
  ]);
  assert.deepEqual(rulesOf('local/a.ts', `import { x } from '../cdk/app.ts';`), ['local must not import cdk']);
});

test('functions never import each other', () => {
  assert.deepEqual(rulesOf('functions/apply/a.ts', `import { x } from '../enroll/b.ts';`), [
    'functions/* must not import functions/enroll',
  ]);
  assert.deepEqual(rulesOf('functions/apply/a.ts', `import { x } from './b.ts';`), []);
});

test('an import over several lines is seen', () => {
  assert.deepEqual(rulesOf('events/a.ts', `import {\n  x,\n  y,\n} from '../layers/runtime/index.ts';`), [
    'events must not import @concord/runtime',
  ]);
});

test('nothing imports test', () => {
  assert.deepEqual(rulesOf('functions/apply/a.ts', `import { x } from '../../test/support/y.ts';`), [
    'functions/* imports ../../test/support/y.ts: nothing imports test',
  ]);
});

test('pure code has no clock, chance, environment or async', () => {
  assert.equal(rulesOf('layers/conflict/a.ts', 'const t = Date.now();').length, 1);
  assert.equal(rulesOf('events/a.ts', 'export async function f() {}').length, 1);
  assert.equal(rulesOf('functions/apply/a.ts', 'const e = process.env.X;').length, 1);
  assert.equal(rulesOf('layers/runtime/config.ts', 'const e = process.env.X;').length, 0);
  assert.equal(rulesOf('events/a.ts', '// an async comment\n').length, 0);
});

test('resolves relative and workspace imports', () => {
  assert.equal(resolveImport('layers/conflict/a.ts', './b.ts'), 'layers/conflict/b.ts');
  assert.equal(resolveImport('functions/apply/a.ts', '../../events/topic.ts'), 'events/topic.ts');
  assert.equal(resolveImport('functions/apply/a.ts', 'postgres'), undefined);
});
