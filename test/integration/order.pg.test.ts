import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { compare, formatStamp, hasSeen, parseStamp, type Version } from '@concord/conflict';
import { arrayLiteral, type Sql } from '@concord/runtime';
import fc from 'fast-check';
import * as plan from '../../functions/apply/plan.ts';
import { versions } from '../support/arbitraries.ts';
import { createDatabase, useCluster } from '../support/cluster.ts';

/** So many pairs are drawn anew in each run; the seed is printed, and `fc.sample` with it draws the same ones again. */
const PAIRS = 3000;

/** The columns of an enrolled table that the comparisons read. */
const COLUMNS = `_last_updated timestamptz not null, _source_region text collate "C" not null, _version_vector jsonb not null`;

/** Texts that only an array literal could damage. */
const texts = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '').toWellFormed()),
  fc.constantFrom('', 'NULL', 'null', '"', '\\', '{}', ',', '\u0001', '\\u0041', '\n', '\\n'),
);

for (const version of ['15', '18'] as const)
  describe(`SQL and TypeScript agree on versions, PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let sql: Sql;
    const seed = fc.sample(fc.nat(), 1)[0] as number;
    const pairs = fc.sample(fc.tuple(versions(), versions()), { seed, numRuns: PAIRS });
    const about = (index: number): string => `seed ${seed}, pair ${index}: ${JSON.stringify(pairs[index])}`;

    before(async () => {
      const database = await createDatabase(await cluster());
      sql = database.connect();
      await sql.unsafe(`set timezone = 'UTC'`);
      await fill(
        'a',
        pairs.map(([a]) => a),
      );
      await fill(
        'b',
        pairs.map(([, b]) => b),
      );
    });

    /** Stores versions the way apply binds them. */
    async function fill(table: string, all: readonly Version[]): Promise<void> {
      await sql.unsafe(`create table ${table} (n int primary key, ${COLUMNS})`);
      await sql.unsafe(
        `insert into ${table} select generate_series(0, $1::int - 1), unnest($2::pg_catalog.timestamptz[]), unnest($3::pg_catalog.text[]),
           unnest($4::pg_catalog.jsonb[])`,
        [
          all.length,
          arrayLiteral(all.map(({ stamp }) => formatStamp(stamp))),
          arrayLiteral(all.map(({ region }) => region)),
          arrayLiteral(all.map(({ vector }) => JSON.stringify(vector))),
        ],
      );
    }

    const answers = async <T>(expression: string): Promise<T[]> => {
      const rows = await sql.unsafe<{ answer: T }[]>(
        `select ${expression} as answer from a join b using (n) order by n`,
      );
      assert.equal(rows.length, PAIRS);
      return rows.map(({ answer }) => answer);
    };

    test('the order: stamp, then region by its bytes', async () => {
      for (const [one, other, sign] of [
        ['a', 'b', 1],
        ['b', 'a', -1],
      ] as const)
        for (const [index, newer] of (await answers<boolean>(plan.isNewer(one, other))).entries()) {
          const [a, b] = pairs[index] as [Version, Version];
          assert.equal(newer, Math.sign(compare(a, b)) === sign, about(index));
        }
    });

    test('the order decides the same for what is bound and not stored yet', async () => {
      const bound = await sql.unsafe<{ newer: boolean }[]>(
        `select ${plan.isNewer('i', 'b')} as newer from (select unnest($1::pg_catalog.timestamptz[]) as _last_updated,
           unnest($2::pg_catalog.text[]) as _source_region, generate_series(0, $3::int - 1) as n) i join b using (n) order by n`,
        [arrayLiteral(pairs.map(([a]) => formatStamp(a.stamp))), arrayLiteral(pairs.map(([a]) => a.region)), PAIRS],
      );
      for (const [index, { newer }] of bound.entries()) {
        const [a, b] = pairs[index] as [Version, Version];
        assert.equal(newer, compare(a, b) > 0, about(index));
      }
    });

    test('the label: has a version seen another?', async () => {
      for (const [index, seen] of (await answers<boolean>(plan.hasSeen('a', 'b'))).entries()) {
        const [a, b] = pairs[index] as [Version, Version];
        assert.equal(seen, hasSeen(a, b), about(index));
      }
    });

    test('the stamp in µs, exactly', async () => {
      for (const [index, micros] of (await answers<string>(`${plan.micros('a._last_updated')}::text`)).entries())
        assert.equal(Number(micros), pairs[index]?.[0].stamp, about(index));
    });

    test('the text of a stamp, as PostgreSQL prints it', async () => {
      for (const [index, text] of (await answers<string>('a._last_updated::text')).entries())
        assert.equal(parseStamp(text), pairs[index]?.[0].stamp, about(index));
    });

    test('texts in an array literal', async () => {
      const values = fc.sample(fc.option(texts), { seed, numRuns: PAIRS });
      const rows = await sql.unsafe<{ value: string | null }[]>('select unnest($1::text[]) as value', [
        arrayLiteral(values),
      ]);
      assert.deepEqual(
        rows.map(({ value }) => value),
        values,
        `seed ${seed}`,
      );
    });
  });
