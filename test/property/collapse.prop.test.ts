import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compare, join, type Version } from '@concord/conflict';
import fc from 'fast-check';
import type { Change } from '../../functions/apply/change.ts';
import { collapse, type Group, groupOf } from '../../functions/apply/collapse.ts';
import { asChange, lineages } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property } = fc;

/** Changes of up to three rows, in any order, some of them more than once. */
const batches: fc.Arbitrary<Change[]> = fc
  .tuple(lineages(), lineages(), lineages(), fc.nat(6))
  .map(([a, b, c, repeats]) => {
    const all = [a, b, c].flatMap((row, key) => row.map((version) => asChange(version, `k${key}`)));
    return [...all, ...all.slice(0, repeats).map((change) => ({ ...change }))];
  })
  .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));

const rank = ({ stamp, region }: Version): string => `${stamp} ${region}`;
const winners = (groups: readonly Group[]): string[] => groups.map(({ winner }) => `${winner.key} ${rank(winner)}`);

describe('collapse', () => {
  test('gives one group per row, in key order, and every change is in exactly one', () => {
    holds(
      property(batches, (changes) => {
        const groups = collapse(changes);
        const keys = groups.map(({ winner }) => winner.key);
        assert.deepEqual(keys, [...new Set(changes.map(({ key }) => key))].sort());
        const members = groups.flatMap(({ winner, others }) => [winner, ...others]);
        assert.equal(members.length, changes.length);
        assert.deepEqual(new Set(members), new Set(changes));
      }),
    );
  });

  test('is the join of the versions of each row', () => {
    holds(
      property(batches, (changes) => {
        for (const group of collapse(changes)) {
          const ofRow = changes.filter(({ key }) => key === group.winner.key) as [Change, ...Change[]];
          assert.deepEqual({ winner: group.winner, conflicts: group.conflicts }, join(ofRow));
        }
      }),
    );
  });

  test('has the same winners in any order', () => {
    holds(
      property(
        batches.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([one, other]) => assert.deepEqual(winners(collapse(one)), winners(collapse(other))),
      ),
    );
  });

  test('of batches, collapsed again, is the collapse of all: batch borders do not matter', () => {
    holds(
      property(batches, fc.integer({ min: 1, max: 5 }), (changes, size) => {
        const parts: Change[][] = [];
        for (let at = 0; at < changes.length; at += size) parts.push(changes.slice(at, at + size));
        const once = parts.flatMap((part) => collapse(part).map(({ winner }) => winner));
        assert.deepEqual(winners(collapse(once)), winners(collapse(changes)));
      }),
    );
  });

  test('never lets row and tombstone of one key stand side by side', () => {
    holds(
      property(lineages(), (versions) => {
        const [group, ...more] = collapse(versions.map((version) => asChange(version)));
        assert.equal(more.length, 0);
        assert.equal(rank(group?.winner as Version), rank(versions.toSorted(compare).at(-1) as Version));
      }),
    );
  });

  test('goes by the identity that it is given, where equal keys print differently', () => {
    holds(
      property(batches, (changes) => {
        const one = collapse(changes, new Map(changes.map((change) => [change, 1])));
        assert.equal(one.length, 1);
        const each = collapse(changes, new Map(changes.map((change, index) => [change, index])));
        assert.equal(each.length, changes.length);
      }),
    );
  });

  test('of a single version is that version', () => {
    holds(
      property(lineages(1), ([version]) => {
        const change = asChange(version as Version);
        assert.deepEqual(groupOf([change]), { winner: change, others: [], conflicts: [] });
      }),
    );
  });
});
