import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { splitScript } from '../../local/playground/split.ts';
import { holds } from '../support/property.ts';

const text = fc.string({
  unit: fc.constantFrom('a', 'é', '😀', ';', "'", '"', '$', '\\', '(', ')', '-', '/', '*', ' ', '\n', ':'),
});
const tag = fc.constantFrom('$$', '$x$', '$Größe_1$');
const noComment = (value: string): string => value.replaceAll('*', '').replaceAll('/', '');

/** Pieces that end where they begin, whatever is inside. */
const piece = fc.oneof(
  fc.constantFrom('select', 'x', '42', '+', '::', '->>', '$1', 'a$b', 'begin', 'end', 'case'),
  text.map((value) => `'${value.replaceAll("'", "''")}'`),
  text.map((value) => `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
  text.map((value) => `"${value.replaceAll('"', '""')}"`),
  text.map((value) => `-- ${value.replaceAll('\n', '')}\n`),
  text.map((value) => `/* ${noComment(value)} /* ${noComment(value)} */ ; */`),
  fc.tuple(tag, text).map(([quote, value]) => `${quote}${value.replaceAll('$', '')}${quote}`),
  text.map((value) => `( ; '${value.replaceAll("'", "''")}' )`),
);
const statement = fc.array(piece, { maxLength: 8 }).map((pieces) => ['select', ...pieces, 'x'].join(' '));

describe('a script', () => {
  test('of any statements is split into these', () =>
    holds(
      fc.property(fc.array(statement, { maxLength: 6 }), (all) => {
        const found = [...splitScript(all.map((sql) => `${sql} ;\n`).join(''))];
        assert.deepEqual(
          found.map((part) => (part.kind === 'meta' ? part : part.sql)),
          all,
        );
      }),
    ));
  test('of anything at all is walked to its end without an error, and nothing but space and comments is lost', () =>
    holds(
      fc.property(text, (script) => {
        const kept = [...splitScript(script)].map((part) => (part.kind === 'meta' ? part.argument : part.sql)).join('');
        assert.ok(kept.length <= script.length);
      }),
    ));
  test('of COPY data gets it back to the byte', () =>
    holds(
      fc.property(fc.array(text.map((line) => line.replaceAll('\n', '')).filter((line) => line !== '\\.')), (lines) => {
        const data = lines.map((line) => `${line}\n`).join('');
        const found = [...splitScript(`copy t from stdin;\n${data}\\.\nselect 1;`)];
        assert.deepEqual(
          found.map((part) => [part.kind, part.kind === 'copy' ? part.data : undefined, part.line]),
          [
            ['copy', data, 1],
            ['statement', undefined, lines.length + 3],
          ],
        );
      }),
    ));
});
