import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Claimant, compareClaims, visible } from '@concord/conflict';
import fc from 'fast-check';
import { regionKeys } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property } = fc;

/** Few stamps, regions and values, so that claims tie and keys meet. Primary keys are unique, with bytes that UTF-16 orders otherwise. */
const claimants = (): fc.Arbitrary<Claimant[]> =>
  fc
    .uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b', '\uffee', '\u{1f600}', '0', '9'), maxLength: 3 }), {
      maxLength: 8,
    })
    .chain((keys) =>
      fc.tuple(
        ...keys.map((key) =>
          fc.record({
            key: fc.constant(key),
            claim: fc.record({
              stamp: fc.integer({ min: 0, max: 3 }),
              region: fc.oneof(fc.constantFrom('', 'a', 'b'), regionKeys()),
            }),
            holds: fc.subarray(['0:x', '0:y', '1:x', '1:y', '2:x,y']),
          }),
        ),
      ),
    );

const meets = (a: Claimant, b: Claimant): boolean => a.holds.some((held) => b.holds.includes(held));
const keysOf = (rows: Iterable<Claimant>): string[] => [...rows].map(({ key }) => key).toSorted();

describe('the order of claims', () => {
  test('is total: 0 only for one and the same row, and by stamp, region and bytes of the key in turn', () => {
    holds(
      property(claimants(), (rows) => {
        for (const a of rows)
          for (const b of rows) {
            const order = Math.sign(compareClaims(a, b));
            assert.equal(order, -Math.sign(compareClaims(b, a)) || 0);
            assert.equal(order === 0, a === b);
            const parts = [
              a.claim.stamp - b.claim.stamp,
              Buffer.compare(Buffer.from(a.claim.region), Buffer.from(b.claim.region)),
              Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)),
            ];
            assert.equal(order, Math.sign(parts.find((part) => part !== 0) ?? 0));
          }
      }),
    );
  });
});

describe('the visible rows', () => {
  test('are the same in whatever order the rows come', () => {
    holds(
      property(
        claimants().chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length }))),
        ([rows, shuffled]) => assert.deepEqual(keysOf(visible(rows)), keysOf(visible(shuffled))),
      ),
    );
  });

  test('never share a key, and every other row shares one with an earlier visible row', () => {
    holds(
      property(claimants(), (rows) => {
        const shown = visible(rows);
        for (const row of rows) {
          const rivals = [...shown].filter((other) => other !== row && meets(row, other));
          if (shown.has(row)) assert.deepEqual(rivals, []);
          else
            assert.ok(
              rivals.some((other) => compareClaims(other, row) < 0),
              `${row.key} is held needlessly`,
            );
        }
      }),
    );
  });

  test('stay visible when those that are held are left out, or looked at again alone', () => {
    holds(
      property(claimants(), (rows) => {
        const shown = visible(rows);
        assert.deepEqual(keysOf(visible([...shown])), keysOf(shown));
        const held = rows.filter((row) => !shown.has(row));
        const touched = rows.filter((row) => shown.has(row) && held.some((other) => meets(row, other)));
        assert.deepEqual(keysOf(visible([...held, ...touched])), keysOf(touched));
      }),
    );
  });

  test('are all rows where nobody holds anything, and rows without a key are always among them', () => {
    holds(
      property(claimants(), (rows) => {
        assert.equal(visible(rows.map((row) => ({ ...row, holds: [] }))).size, rows.length);
        for (const row of rows) if (row.holds.length === 0) assert.ok(visible(rows).has(row));
      }),
    );
  });

  test('with one more row, lose only later ones, and only gain a row when another was lost', () => {
    holds(
      property(claimants(), fc.nat(), (rows, at) => {
        const extra = rows[at % Math.max(1, rows.length)];
        if (extra === undefined) return;
        const before = visible(rows.filter((row) => row !== extra));
        const after = visible(rows);
        const lost = [...before].filter((row) => !after.has(row));
        const gained = [...after].filter((row) => row !== extra && !before.has(row));
        for (const row of [...lost, ...gained]) assert.ok(compareClaims(row, extra) > 0);
        if (!after.has(extra)) assert.deepEqual([lost, gained], [[], []]);
        if (gained.length > 0) assert.ok(lost.length > 0);
      }),
    );
  });
});

describe('examples', () => {
  const row = (key: string, stamp: number, ...held: string[]): Claimant => ({
    key,
    claim: { stamp, region: 'a' },
    holds: held,
  });
  const shownOf = (...rows: Claimant[]): string => keysOf(visible(rows)).join('');

  test('the earlier claim is visible', () => assert.equal(shownOf(row('1', 2, 'x'), row('2', 1, 'x')), '2'));
  test('releasing a key promotes the next, and not the one after', () =>
    assert.equal(shownOf(row('1', 1, 'z'), row('2', 2, 'x'), row('3', 3, 'x')), '12'));
  test('a held row keeps nobody out: the third has the key that the second wanted as well', () =>
    assert.equal(shownOf(row('1', 1, 'x'), row('2', 2, 'x', 'y'), row('3', 3, 'y')), '13'));
  test('crossing keys: one that waits for two', () =>
    assert.equal(shownOf(row('1', 1, 'x'), row('2', 2, 'y'), row('3', 3, 'x', 'y')), '12'));
});
