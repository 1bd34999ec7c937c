import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compare, type Version } from '@concord/conflict';
import fc from 'fast-check';
import { arbitrarySteps, isAncestor, play } from '../support/arbitrary-history.ts';
import { holds } from '../support/property.ts';

const { property } = fc;

describe('what three regions log while they write one row and receive in any batches and order', () => {
  test('I6 every version is in the history of the winner or of a loser in some log', () => {
    holds(
      property(arbitrarySteps, (steps) => {
        const { versions, conflicts, stored } = play(steps);
        const kept = [...stored.values(), ...conflicts.map(({ loser }) => loser)];
        for (const version of versions) assert.ok(kept.some((later) => isAncestor(version, later)));
      }),
      { numRuns: 5000 },
    );
  });

  test('no conflict is invented: neither version of a logged pair was written over the other', () => {
    holds(
      property(arbitrarySteps, (steps) => {
        for (const { loser, winner } of play(steps).conflicts) {
          assert.ok(!isAncestor(loser, winner));
          assert.ok(!isAncestor(winner, loser));
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('I1 I2 all end with the maximum of all versions', () => {
    holds(
      property(arbitrarySteps, (steps) => {
        const { versions, stored } = play(steps);
        const greatest = versions.toSorted(compare).at(-1) as Version;
        for (const version of stored.values()) assert.equal(compare(version, greatest), 0);
      }),
    );
  });
});
