import assert from 'node:assert/strict';
import { arrayLiteral, ident, literal, qualified } from '@concord/runtime';
import fc from 'fast-check';
import { parseArrayLiteral } from '../support/array-literal.ts';
import { holds } from '../support/property.ts';

const SPECIAL = ['"', '\\', '\u0001', '\n', '\t', '{', '}', ',', ' ', "'", '\u2028', '\u007f', 'null', 'NULL', 'é', '𝄞'];
const text = fc.oneof(
  fc.array(fc.constantFrom(...SPECIAL, 'a', 'n', 'u0041'), { maxLength: 8 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary' }).map((value) => value.toWellFormed().replaceAll('\0', '')),
);

holds(
  'an array literal is read back as the texts and NULLs that went in',
  fc.property(fc.array(fc.option(text)), (values) => {
    assert.deepEqual(parseArrayLiteral(arrayLiteral(values)), values);
  }),
  2000,
);

holds(
  'an identifier ends where it should, whatever it is',
  fc.property(text, text, (schema, table) => {
    for (const name of [schema, table]) {
      const body = ident(name).slice(1, -1);
      assert.equal(body.replaceAll('""', ''), name.replaceAll('"', ''));
      assert.equal(body.replaceAll('""', '"'), name);
    }
    const name = schema.replaceAll('.', '');
    assert.equal(qualified(`${name}.${table}`), `${ident(name)}.${ident(table)}`);
  }),
);

/** The value of a text literal: in `E'…'` backslashes are doubled. */
const valueOf = (sql: string): string =>
  sql.startsWith('E')
    ? sql.slice(2, -1).replaceAll("''", "'").replaceAll('\\\\', '\\')
    : sql.slice(1, -1).replaceAll("''", "'");

holds(
  'a literal means its text',
  fc.property(text, (value) => {
    const sql = literal(value);
    assert.equal(valueOf(sql), value);
    assert.equal(sql.startsWith('E'), value.includes('\\'));
  }),
);
