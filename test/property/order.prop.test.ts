import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compare, conflictKind, decide, hasSeen, isNewer, seen } from '@concord/conflict';
import fc from 'fast-check';
import { lineages, regionKeys, stamps, versions } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property, tuple } = fc;

describe('the order of versions', () => {
  test('is antisymmetric, and 0 only for one and the same version', () => {
    holds(
      property(versions(), versions(), (a, b) => {
        assert.equal(Math.sign(compare(a, b)), -Math.sign(compare(b, a)) || 0);
        assert.equal(compare(a, b) === 0, a.stamp === b.stamp && a.region === b.region);
        assert.equal(isNewer(a, b), compare(a, b) > 0);
      }),
    );
  });

  test('is transitive and total: sorting any permutation gives one sequence', () => {
    holds(
      property(
        fc
          .array(versions(), { maxLength: 8 })
          .chain((all) => tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          const ranks = (list: typeof all) => list.toSorted(compare).map(({ stamp, region }) => [stamp, region]);
          assert.deepEqual(ranks(all), ranks(shuffled));
        },
      ),
    );
  });

  test('breaks ties by the bytes of the region', () => {
    holds(
      property(stamps(), regionKeys(), regionKeys(), (stamp, a, b) => {
        const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
        assert.equal(Math.sign(compare({ stamp, region: a }, { stamp, region: b })), bytes);
      }),
    );
  });
});

describe('seen', () => {
  test('is the entry of a region, 0 where there is none, also for names that every object has', () => {
    holds(
      property(fc.dictionary(regionKeys(), stamps()), regionKeys(), (vector, region) => {
        assert.equal(seen(vector, region), Object.entries(vector).find(([name]) => name === region)?.[1] ?? 0);
      }),
    );
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) assert.equal(seen({}, name), 0);
  });

  test('by a version are all versions it was written over, and no concurrent first write of another region', () => {
    holds(
      property(lineages(), (all) => {
        for (const version of all) assert.ok(hasSeen(version, version));
        for (const version of all)
          for (const other of all)
            if (seen(version.vector, other.region) === 0) assert.equal(hasSeen(version, other), false);
      }),
    );
  });
});

describe('decide', () => {
  test('lets the order alone decide', () => {
    holds(
      property(versions(), versions(), (stored, incoming) => {
        assert.equal(decide(stored, incoming).outcome, compare(incoming, stored) > 0 ? 'apply' : 'superseded');
      }),
    );
  });

  test('calls it a conflict exactly when the winner has not seen the loser, and names the loser', () => {
    holds(
      property(versions(), versions(), (stored, incoming) => {
        const order = compare(incoming, stored);
        const decision = decide(stored, incoming);
        const [winner, loser] = order > 0 ? [incoming, stored] : [stored, incoming];
        assert.equal(decision.because === 'conflict', order !== 0 && !hasSeen(winner, loser));
        if (decision.because !== 'conflict') return;
        assert.equal(decision.loser, order > 0 ? 'stored' : 'incoming');
        assert.equal(decision.kind, conflictKind(stored, incoming));
      }),
    );
  });

  test('takes what is first, and never applies a version twice', () => {
    holds(
      property(versions(), (version) => {
        assert.deepEqual(decide(undefined, version), { outcome: 'apply', because: 'first' });
        assert.deepEqual(decide(version, { ...version }), { outcome: 'superseded', because: 'duplicate' });
      }),
    );
  });
});
