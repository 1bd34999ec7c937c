import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compare, decide, EMPTY_VECTOR, hasSeen, nextVersion, seen } from '@concord/conflict';
import fc from 'fast-check';
import { regionKeys, versions } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property } = fc;
const past = fc.integer({ min: 0, max: 2 ** 50 });
const low = versions().filter(({ stamp }) => stamp < 2 ** 50);
const contexts = fc.record({
  region: regionKeys(),
  clock: past,
  floor: past,
  row: fc.option(
    low.map((version) => ({ ...version, kind: 'row' as const })),
    { nil: undefined },
  ),
  tombstone: fc.option(
    low.map((version) => ({ ...version, kind: 'tombstone' as const })),
    { nil: undefined },
  ),
});
const kinds = fc.constantFrom('row' as const, 'tombstone' as const);

describe('a local write', () => {
  test('is newer than everything it saw, whatever its clock says', () => {
    holds(
      property(kinds, contexts, (kind, context) => {
        const version = nextVersion(kind, context);
        for (const found of [context.row, context.tombstone])
          if (found !== undefined) assert.ok(compare(version, found) > 0 && version.stamp > found.stamp);
      }),
    );
  });

  test('is not stamped below its clock or its floor, and not higher than it must', () => {
    holds(
      property(kinds, contexts, (kind, context) => {
        const { clock, floor, row, tombstone } = context;
        const least = [clock, floor, (row?.stamp ?? -1) + 1, (tombstone?.stamp ?? -1) + 1];
        assert.equal(nextVersion(kind, context).stamp, Math.max(...least));
      }),
    );
  });

  test('has the vector of what it replaces, with its own entry set', () => {
    holds(
      property(kinds, contexts, (kind, context) => {
        const { row, tombstone, region } = context;
        const version = nextVersion(kind, context);
        const parent = [row, tombstone]
          .filter((found) => found !== undefined)
          .sort(compare)
          .at(-1);
        assert.deepEqual(version.vector, { ...(parent?.vector ?? EMPTY_VECTOR), [region]: version.stamp });
        assert.equal(seen(version.vector, region), version.stamp);
        if (parent !== undefined) assert.ok(hasSeen(version, parent));
      }),
    );
  });

  test('succeeds what it replaces in every other region: no conflict', () => {
    holds(
      property(kinds, contexts, (kind, context) => {
        const parent = context.row ?? context.tombstone;
        if (parent === undefined || (context.row !== undefined && context.tombstone !== undefined)) return;
        assert.deepEqual(decide(parent, nextVersion(kind, context)), { outcome: 'apply', because: 'successor' });
      }),
    );
  });

  test('counts the writes of its history', () => {
    holds(
      property(kinds, contexts, (kind, context) => {
        const before = Math.max(context.row?.writes ?? 0, context.tombstone?.writes ?? 0);
        assert.equal(nextVersion(kind, context).writes, before + 1);
      }),
    );
  });
});
