import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compare, decide, nextVersion, type Version } from '@concord/conflict';
import fc from 'fast-check';
import { holds } from '../support/property.ts';

const { property } = fc;

/** Headquarters, two branches, a warehouse: any number of classes. */
const REGIONS = ['branch-1', 'branch-2', 'hq', 'warehouse'] as const;
const bonuses = fc.record({
  hq: fc.integer({ min: 0, max: 40 }),
  'branch-1': fc.integer({ min: 0, max: 20 }),
  'branch-2': fc.integer({ min: 0, max: 20 }),
  warehouse: fc.constant(0),
});
const region = fc.constantFrom(...REGIONS);
const clock = fc.integer({ min: 100, max: 160 });
const writes = fc.uniqueArray(fc.record({ region, clock }), {
  selector: (write) => write.region,
  minLength: 2,
  maxLength: 4,
});

describe('priority', () => {
  test('a region with more bonus wins, unless the other write is newer by more than the difference', () => {
    holds(
      property(bonuses, writes, (bonus, [one, other]) => {
        if (one === undefined || other === undefined) return;
        const [high, low] = bonus[one.region] >= bonus[other.region] ? [one, other] : [other, one];
        const [a, b] = [high, low].map((write) =>
          nextVersion('row', { region: write.region, clock: write.clock + bonus[write.region], floor: 0 }),
        ) as [Version, Version];
        const [newer, difference] = [low.clock - high.clock, bonus[high.region] - bonus[low.region]];
        const lowWins = newer > difference || (newer === difference && low.region > high.region);
        assert.equal(decide(a, b).outcome, lowWins ? 'apply' : 'superseded');
        assert.equal(decide(b, a).outcome, lowWins ? 'superseded' : 'apply');
      }),
    );
  });

  test('three and more classes have one winner in any order', () => {
    const cases = writes.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    holds(
      property(bonuses, cases, (bonus, [one, other]) => {
        const winnerOf = (all: typeof one): Version =>
          all
            .map((write) =>
              nextVersion('row', { region: write.region, clock: write.clock + bonus[write.region], floor: 0 }),
            )
            .reduce((stored, incoming) => (decide(stored, incoming).outcome === 'apply' ? incoming : stored));
        assert.equal(compare(winnerOf(one), winnerOf(other)), 0);
      }),
    );
  });

  test('never makes a write lose to what it was written over, and the lead does not grow', () => {
    const chain = fc.array(region, { minLength: 2, maxLength: 40 });
    holds(
      property(bonuses, chain, (bonus, regions) => {
        let row: Version | undefined;
        for (const [tick, name] of regions.entries()) {
          const next = nextVersion('row', { region: name, clock: tick + bonus[name], floor: 0, row });
          if (row !== undefined) assert.deepEqual(decide(row, next), { outcome: 'apply', because: 'successor' });
          assert.ok(next.stamp - tick <= Math.max(...Object.values(bonus)) + 1);
          row = next;
        }
      }),
    );
  });
});
