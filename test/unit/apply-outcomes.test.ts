import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { Version } from '@concord/conflict';
import type { Change } from '../../functions/apply/change.ts';
import { chunksOf } from '../../functions/apply/chunks.ts';
import { collapse, groupOf } from '../../functions/apply/collapse.ts';
import { backoffMs, hintOf, REASONS, type ReasonCode } from '../../functions/apply/reasons.ts';
import { meaningOf, sqlState } from '../../functions/apply/sqlstate.ts';
import { KeyTextMismatch } from '../../functions/apply/write-clean.ts';

const CODES = Object.keys(REASONS) as ReasonCode[];

/** What a pattern captures in the files of the project that a glob names. */
async function codesIn(files: string, pattern: RegExp): Promise<string[]> {
  const root = new URL('../../', import.meta.url);
  const paths = await Array.fromAsync(glob(files, { cwd: root }));
  const texts = await Promise.all(paths.map((path) => readFile(new URL(path, root), 'utf8')));
  return texts.flatMap((text) => [...text.matchAll(pattern)].flatMap(([, ...codes]) => codes.filter(Boolean)));
}

describe('reasons to park', () => {
  test('each has a hint', () => {
    for (const code of CODES) assert.ok(REASONS[code].hint.length > 10, code);
    assert.equal(hintOf('unknown_tag'), REASONS.unknown_tag.hint);
    assert.match(hintOf('toString'), /another release/);
  });
  test('there is one for every code that the code can produce, and none that nothing produces', async () => {
    const produced = new Set([
      ...(await codesIn('functions/apply/*.ts', /\breason: '(\w+)'/g)),
      ...(await codesIn('layers/runtime/kafka.ts', /\breason: '(\w+)'/g)),
      ...(await codesIn('functions/apply/decode.ts', /\brefuse\('(\w+)'|isOfConcord\(name\) \? '(\w+)' : '(\w+)'/g)),
      ...(await codesIn('functions/apply/{decode,check-version}.ts', /return \['(\w+)', /g)),
    ]);
    assert.deepEqual([...produced].toSorted(), CODES.toSorted());
  });
  test('docs/parked.md prints them', async () => {
    const docs = await readFile(new URL('../../docs/parked.md', import.meta.url), 'utf8');
    const rows = CODES.map((code) => `| \`${code}\` | ${REASONS[code].action} | ${REASONS[code].hint} |`);
    assert.equal(/\| --- .*\n((?:\|.*\n)+)/.exec(docs)?.[1]?.trimEnd(), rows.join('\n'));
  });
  test('what a moment can mend is tried again, less and less often, at least every minute', () => {
    assert.deepEqual(
      [0, 1, 2, 10].map((attempts) => backoffMs('unique', attempts)),
      [100, 200, 400, 60_000],
    );
  });
  test('what waits for a clock or for people is tried again at least every hour', () => {
    assert.deepEqual(
      [0, 1, 2, 7].map((attempts) => backoffMs('unknown_column', attempts)),
      [30_000, 60_000, 120_000, 3_600_000],
    );
    assert.equal(backoffMs('future', 0), 60_000);
  });
  test('waits never shrink, and have a limit', () => {
    const limits = { now: 60_000, later: 3_600_000 } as const;
    for (const code of CODES) {
      const { action } = REASONS[code];
      if (action === 'park') continue;
      const waits = Array.from({ length: 40 }, (_, attempts) => backoffMs(code, attempts) ?? Number.NaN);
      waits.forEach((wait, index) => {
        assert.ok(wait > 0 && wait <= limits[action] && wait >= (waits[index - 1] ?? 0), `${code} ${index}`);
      });
      assert.equal(backoffMs(code, 1000), limits[action]);
    }
  });
  test('what only a person can mend is not tried again', () => {
    for (const code of CODES.filter((code) => REASONS[code].action === 'park')) assert.equal(backoffMs(code, 0), null);
    for (const code of ['not_json', 'contract', 'bad_version', 'foreign_region', 'refused', 'killer'] as const)
      assert.equal(backoffMs(code, 0), null);
  });
});

describe('what an error of PostgreSQL means', () => {
  const row = (reason: ReasonCode): object => ({ kind: 'row', reason });
  const meanings: [code: string, name: string, meaning: object][] = [
    ['23505', 'unique_violation', row('unique')],
    ['23502', 'not_null_violation', row('refused')],
    ['23503', 'foreign_key_violation', row('refused')],
    ['23514', 'check_violation', row('refused')],
    ['23P01', 'exclusion_violation', row('refused')],
    ['22P02', 'invalid_text_representation', row('refused')],
    ['22001', 'string_data_right_truncation', row('refused')],
    ['44000', 'with_check_option_violation', row('refused')],
    ['P0001', 'raise_exception', row('refused')],
    ['38000', 'external_routine_exception', row('refused')],
    ['54000', 'program_limit_exceeded', row('refused')],
    ['21000', 'cardinality_violation', row('bad_key')],
    ['55P03', 'lock_not_available', row('locked')],
    ['40001', 'serialization_failure', { kind: 'again' }],
    ['40P01', 'deadlock_detected', { kind: 'again' }],
    ['42703', 'undefined_column', { kind: 'schema' }],
    ['42P01', 'undefined_table', { kind: 'schema' }],
    ['42804', 'datatype_mismatch', { kind: 'schema' }],
    ['0A000', 'feature_not_supported', { kind: 'schema' }],
    ['42501', 'insufficient_privilege', { kind: 'away' }],
    ['53100', 'disk_full', { kind: 'away' }],
    ['53300', 'too_many_connections', { kind: 'away' }],
    ['57P01', 'admin_shutdown', { kind: 'away' }],
    ['25006', 'read_only_sql_transaction', { kind: 'away' }],
    ['08006', 'connection_failure', { kind: 'away' }],
    ['XX000', 'internal_error, which input functions raise', { kind: 'row', reason: 'refused' }],
    ['XX001', 'data_corrupted', { kind: 'away' }],
  ];
  for (const [code, name, meaning] of meanings)
    test(`${code} ${name}`, () => assert.deepEqual(meaningOf(Object.assign(new Error(name), { code })), meaning));

  test('anything else means that the database is away: nothing is lost', () => {
    for (const error of [
      undefined,
      null,
      'text',
      new Error('x'),
      { code: 23505 },
      { code: 'ECONNRESET' },
      { code: '' },
    ])
      assert.deepEqual([meaningOf(error), sqlState(error)], [{ kind: 'away' }, undefined]);
    assert.deepEqual(meaningOf({ code: 'constructor' }), { kind: 'away' });
  });
  test('a key that prints differently is a matter of its row', () => {
    assert.deepEqual(meaningOf(new KeyTextMismatch('public.t')), row('bad_key'));
  });
});

const change = (key: string, region: string, stamp: number, more: Partial<Version> = {}): Change => ({
  kind: 'row',
  stamp,
  region,
  writes: 1,
  ...more,
  vector: { ...more.vector, [region]: stamp },
  table: 'public.items',
  key,
  event: {} as Change['event'],
  record: { topic: `cdc.${region}`, partition: 0, offset: stamp, timestamp: 0, timestampType: 'CREATE_TIME' },
});

describe('collapse', () => {
  const first = change('1', 'a', 1);
  const second = change('1', 'a', 2);
  const concurrent = change('1', 'b', 3, { vector: { a: 1 }, writes: 2 });
  test('of nothing is nothing', () => assert.deepEqual(collapse([]), []));
  test('of one version is that one', () => {
    assert.deepEqual(collapse([first]), [{ winner: first, others: [], conflicts: [] }]);
  });
  test('keeps the newest whatever its place, and the conflicts that keeping the last would lose', () => {
    const [group] = collapse([concurrent, first, second]);
    assert.equal(group?.winner, concurrent);
    assert.deepEqual(group?.others, [first, second]);
    assert.deepEqual(group?.conflicts, [{ kind: 'update_origin_differs', loser: second, winner: concurrent }]);
  });
  test('joins row and tombstone of a key', () => {
    const tombstone = change('1', 'a', 9, { kind: 'tombstone' });
    assert.equal(collapse([tombstone, second])[0]?.winner, tombstone);
  });
  test('orders rows by key: the order of locks', () => {
    const keys = collapse(['b', '10', '2', 'a'].map((key) => change(key, 'a', 1))).map(({ winner }) => winner.key);
    assert.deepEqual(keys, ['10', '2', 'a', 'b']);
  });
  test('takes the word of the type for which keys are equal', () => {
    const [a, b] = [change('1.5', 'a', 1), change('1.50', 'a', 2)];
    const groups = collapse([a, b], new Map([a, b].map((each) => [each, 1])));
    assert.deepEqual(groups, [groupOf([a, b])]);
    assert.equal(groups[0]?.winner, b);
  });
});

test('chunks are of 2000 and lose nothing', () => {
  const items = Array.from({ length: 5000 }, (_, index) => index);
  assert.deepEqual(
    chunksOf(items).map((chunk) => chunk.length),
    [2000, 2000, 1000],
  );
  assert.deepEqual(chunksOf(items).flat(), items);
  assert.deepEqual(chunksOf([]), []);
});
