import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  compare,
  conflictKind,
  decide,
  EMPTY_VECTOR,
  formatStamp,
  hasSeen,
  isNewer,
  join,
  nextVersion,
  parseStamp,
  parseVector,
  seen,
  type Version,
} from '@concord/conflict';

const version = (region: string, stamp: number, more: Partial<Version> = {}): Version => ({
  kind: 'row',
  stamp,
  region,
  writes: 1,
  ...more,
  vector: { ...more.vector, [region]: stamp },
});

describe('stamps', () => {
  const texts: [text: string, stamp: number | undefined][] = [
    ['1970-01-01 00:00:00+00', 0],
    ['1970-01-01 00:00:00.000001+00', 1],
    ['2026-11-21 07:04:02.516581+00', 1_795_244_642_516_581],
    ['2026-11-21 07:04:02.5+00', 1_795_244_642_500_000],
    ['2024-02-29 00:00:00+00', 1_709_164_800_000_000],
    ['2255-06-05 23:47:34.740991+00', Number.MAX_SAFE_INTEGER],
    ['2255-06-05 23:47:34.740992+00', undefined],
    ['9999-12-31 23:59:59.999999+00', undefined],
    ['1969-12-31 23:59:59.999999+00', undefined],
    ['2023-02-29 00:00:00+00', undefined],
    ['2026-04-31 00:00:00+00', undefined],
    ['2026-00-01 00:00:00+00', undefined],
    ['2026-13-01 00:00:00+00', undefined],
    ['2026-01-00 00:00:00+00', undefined],
    ['2026-01-01 24:00:00+00', undefined],
    ['2026-01-01 00:60:00+00', undefined],
    ['2026-01-01 00:00:60+00', undefined],
    ['0026-01-01 00:00:00+00', undefined],
    ['infinity', undefined],
    ['', undefined],
  ];
  for (const [text, stamp] of texts)
    test(`'${text}' is ${stamp ?? 'refused'}`, () => assert.equal(parseStamp(text), stamp));
  test('are written with six decimals', () => {
    assert.equal(formatStamp(0), '1970-01-01 00:00:00.000000+00');
    assert.equal(formatStamp(1_795_244_642_500_001), '2026-11-21 07:04:02.500001+00');
  });
});

describe('vectors', () => {
  test('count what is absent as 0, also what every object has', () => {
    assert.deepEqual([seen(parseVector('{"a": 5}'), 'a'), seen(EMPTY_VECTOR, 'a')], [5, 0]);
    assert.equal(seen(parseVector('{}'), 'constructor'), 0);
    assert.equal(seen(parseVector('{"constructor": 5}'), 'constructor'), 5);
  });
  test('know incarnations apart', () => {
    assert.ok(!hasSeen(version('b', 9, { vector: { a: 8 } }), version('a#2', 5)));
    assert.ok(hasSeen(version('b', 9, { vector: { a: 5 } }), version('a', 5)));
    assert.ok(!hasSeen(version('b', 9, { vector: { a: 4 } }), version('a', 5)));
  });
  test('of anything contain what was there before enrolment', () => {
    assert.ok(hasSeen(version('b', 9), { ...version('', 0), vector: {} }));
  });
});

describe('the order', () => {
  const ascending: [region: string, stamp: number][] = [
    ['', 0],
    ['z', 1],
    ['a', 2],
    ['a#2', 2],
    ['a-b', 2],
    ['a1', 2],
    ['ab', 2],
  ];
  test('is by stamp, then by the bytes of the region', () => {
    for (const [i, [region, stamp]] of ascending.entries())
      for (const [j, [other, otherStamp]] of ascending.entries()) {
        const [a, b] = [
          { region, stamp },
          { region: other, stamp: otherStamp },
        ];
        assert.equal(compare(a, b), Math.sign(i - j));
        assert.equal(isNewer(a, b), i > j);
      }
  });
});

describe('decide', () => {
  const stored = version('a', 5);
  const cases: [name: string, stored: Version | undefined, incoming: Version, decision: object][] = [
    ['the first version', undefined, stored, { outcome: 'apply', because: 'first' }],
    ['one that had seen it', stored, version('b', 6, { vector: { a: 5 } }), { outcome: 'apply', because: 'successor' }],
    ['the next one of the region', stored, version('a', 6), { outcome: 'apply', because: 'successor' }],
    ['itself', stored, version('a', 5), { outcome: 'superseded', because: 'duplicate' }],
    ['an older one of the region', stored, version('a', 4), { outcome: 'superseded', because: 'stale' }],
    [
      'an older one that it had seen',
      version('a', 5, { vector: { b: 4 } }),
      version('b', 4),
      { outcome: 'superseded', because: 'stale' },
    ],
    [
      'a newer one that had not seen it',
      stored,
      version('b', 6),
      { outcome: 'apply', because: 'conflict', kind: 'insert_exists', loser: 'stored' },
    ],
    [
      'an older one that it had not seen',
      stored,
      version('b', 4),
      { outcome: 'superseded', because: 'conflict', kind: 'insert_exists', loser: 'incoming' },
    ],
    [
      'one of the same stamp and a greater region',
      stored,
      version('b', 5),
      { outcome: 'apply', because: 'conflict', kind: 'insert_exists', loser: 'stored' },
    ],
  ];
  for (const [name, had, incoming, decision] of cases)
    test(name, () => assert.deepEqual(decide(had, incoming), decision));
});

test('a conflict has the kind of the version that came second', () => {
  const row = version('a', 5);
  const tombstone = version('b', 6, { kind: 'tombstone', writes: 2 });
  assert.equal(conflictKind(row, version('b', 6)), 'insert_exists');
  assert.equal(conflictKind(row, version('b', 6, { writes: 2 })), 'update_origin_differs');
  assert.equal(conflictKind(version('b', 6, { writes: 2 }), row), 'update_origin_differs');
  assert.equal(conflictKind(tombstone, row), 'update_deleted');
  assert.equal(conflictKind(row, tombstone), 'delete_origin_differs');
  assert.equal(conflictKind(tombstone, { ...tombstone, region: 'c' }), 'delete_origin_differs');
});

describe('join', () => {
  const [a, b, c] = [version('a', 5), version('b', 6), version('c', 7, { vector: { b: 6 } })];
  test('of one is that one', () => assert.deepEqual(join([a]), { winner: a, conflicts: [] }));
  test('of three logs the one that the winner had not seen', () => {
    assert.deepEqual(join([c, b, a]), { winner: c, conflicts: [{ kind: 'insert_exists', loser: a, winner: c }] });
    assert.deepEqual(join([a, b, c]), { winner: c, conflicts: [{ kind: 'insert_exists', loser: a, winner: b }] });
  });
});

describe('the next version', () => {
  const clock = { region: 'a', clock: 100, floor: 0 };
  const row = version('b', 50, { writes: 3, vector: { c: 9 } });
  const tombstone = version('c', 60, { kind: 'tombstone', writes: 7 });
  const cases: [name: string, made: Version, stamp: number, vector: object, writes: number][] = [
    ['of nothing has the clock', nextVersion('row', clock), 100, { a: 100 }, 1],
    ['is above a floor', nextVersion('row', { ...clock, floor: 200 }), 200, { a: 200 }, 1],
    ['keeps what its parent saw', nextVersion('row', { ...clock, row }), 100, { a: 100, b: 50, c: 9 }, 4],
    ['is above a row of the future', nextVersion('row', { ...clock, clock: 1, row }), 51, { a: 51, b: 50, c: 9 }, 4],
    ['is above a tombstone', nextVersion('row', { ...clock, clock: 1, tombstone }), 61, { a: 61, c: 60 }, 8],
    ['takes the newer parent', nextVersion('row', { ...clock, row, tombstone }), 100, { a: 100, c: 60 }, 8],
    ['is above a parent at 0', nextVersion('row', { ...clock, clock: 0, row: version('', 0) }), 1, { '': 0, a: 1 }, 2],
  ];
  for (const [name, made, stamp, vector, writes] of cases)
    test(name, () => assert.deepEqual(made, { kind: 'row', stamp, region: 'a', vector, writes }));
});
