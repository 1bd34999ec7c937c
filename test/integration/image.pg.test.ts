import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { arrayLiteral, type Sql, type Table } from '@concord/runtime';
import fc from 'fast-check';
import type { Change } from '../../functions/apply/change.ts';
import { imageText } from '../../functions/apply/image.ts';
import { createDatabase, useCluster } from '../support/cluster.ts';

const IMAGES = 1000;
const COLUMNS = [
  'b',
  'a',
  'é',
  'ab',
  'aa',
  'z',
  'with "quotes"',
  'toString',
  '10',
  '9',
  'kept back',
  '\u{1f600}',
  '\uffff',
];
const GENERATED = 'made by the database';

const texts = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '').toWellFormed()),
  fc.constantFrom(
    '',
    'null',
    '"',
    '\\',
    '\n',
    '\t',
    '\u0001',
    '\u001f',
    '\u007f',
    '\u2028',
    '\\u0000',
    '\\ud800',
    '{"a": 1}',
  ),
  fc.constant(null),
);

/** Some of the columns in any order, what Concord adds to them, and a column that is not part of an image. */
const events = fc
  .record({ names: fc.shuffledSubarray(COLUMNS), values: fc.array(texts, { minLength: 13, maxLength: 13 }) })
  .map(({ names, values }) =>
    Object.fromEntries([
      ['_version', '1'],
      [GENERATED, 'x'],
      ...names.map((name, index) => [name, values[index]]),
      ['__lsn', 1],
    ]),
  );

const TABLE = {
  columns: [...COLUMNS, GENERATED].map((name) => ({ name, generated: name === GENERATED })),
} as unknown as Table;

for (const version of ['15', '18'] as const)
  describe(`images, PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let sql: Sql;

    before(async () => {
      sql = (await createDatabase(await cluster())).connect();
    });

    test('an image is the text that jsonb prints, whatever the order of the event', async () => {
      const seed = fc.sample(fc.nat(), 1)[0] as number;
      const drawn = fc.sample(events, { seed, numRuns: IMAGES });
      const images = drawn.map((event) => imageText(event as unknown as Change['event'], TABLE));
      const printed = await sql.unsafe<{ text: string }[]>(
        'select image::jsonb::text as text from unnest($1::text[]) with ordinality i (image, n) order by n',
        [arrayLiteral(images)],
      );
      images.forEach((image, index) => {
        assert.equal(image, printed[index]?.text, `seed ${seed}, event ${index}`);
        const { _version, __lsn, [GENERATED]: made, ...columns } = drawn[index] as Record<string, unknown>;
        assert.deepEqual(JSON.parse(image), columns, `seed ${seed}, event ${index}`);
      });
    });
  });
