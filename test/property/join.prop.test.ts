import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compare, hasSeen, type Joined, join, type Version } from '@concord/conflict';
import fc from 'fast-check';
import { lineages, versions } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property, tuple } = fc;

type Some = [Version, ...Version[]];

/** Versions without equal ranks: equal rank and other content is corruption and never joined. */
const distinct = (all: readonly Version[]): Version[] =>
  all.filter((version, index) => all.findIndex((other) => compare(other, version) === 0) === index);

const some = (arbitrary: fc.Arbitrary<Version[]>): fc.Arbitrary<Some> => arbitrary.map((all) => distinct(all) as Some);
const anything = some(fc.array(versions(), { minLength: 1, maxLength: 8 }));
const history = some(lineages());
const twoOrders = (all: fc.Arbitrary<Some>) =>
  all.chain((some) =>
    tuple(
      fc.shuffledSubarray(some, { minLength: some.length }) as fc.Arbitrary<Some>,
      fc.shuffledSubarray(some, { minLength: some.length }) as fc.Arbitrary<Some>,
    ),
  );

/** Versions that neither won, nor were logged, nor were seen, step by step, by one that did: lost without a trace. */
function untraced(all: readonly Version[], reached: Version[]): Version[] {
  const open = new Set(all);
  for (const version of reached)
    for (const other of open)
      if (other === version || hasSeen(version, other)) {
        open.delete(other);
        reached.push(other);
      }
  return [...open];
}

/** Stamp and region of the losers: the ids of the conflicts. */
const losersOf = ({ conflicts }: Joined<Version>): Set<string> =>
  new Set(conflicts.map(({ loser }) => `${loser.stamp} ${loser.region}`));

const joinAll = (versions: readonly Version[]): Version => join(versions as Some).winner;

describe('join', () => {
  test('is the maximum', () => {
    holds(
      property(anything, (all) => {
        const { winner } = join(all);
        for (const version of all) assert.ok(compare(winner, version) >= 0);
      }),
    );
  });

  test('is commutative: any order has the same winner', () => {
    holds(property(twoOrders(anything), ([one, other]) => assert.equal(join(one).winner, join(other).winner)));
  });

  test('is associative: joins of joins have the same winner', () => {
    holds(
      property(anything, fc.nat(), (all, cut) => {
        const at = 1 + (cut % all.length);
        const parts = [all.slice(0, at), all.slice(at)].filter((part) => part.length > 0);
        assert.equal(joinAll(parts.map(joinAll)), joinAll(all));
      }),
    );
  });

  test('is idempotent: a duplicate neither wins nor adds a loser', () => {
    holds(
      property(anything, (all) => {
        const once = join(all);
        assert.equal(join([once.winner, ...all]).winner, once.winner);
        const twice = join(all.flatMap((version) => [version, { ...version }]) as Some);
        assert.equal(compare(twice.winner, once.winner), 0);
        assert.deepEqual(losersOf(twice), losersOf(once));
      }),
    );
  });

  test('changes no version: the winner is one of them, as it was', () => {
    holds(
      property(anything, (all) => {
        const before = structuredClone(all);
        assert.ok(all.includes(join(all).winner));
        assert.deepEqual(all, before);
      }),
    );
  });

  test('logs only what lost: older than its winner and not seen by it', () => {
    holds(
      property(anything, (all) => {
        for (const { loser, winner } of join(all).conflicts) {
          assert.ok(compare(winner, loser) > 0);
          assert.equal(hasSeen(winner, loser), false);
        }
      }),
    );
  });

  for (const [what, all] of [
    ['as they are really written', history],
    ['with any vectors', anything],
  ] as const)
    test(`loses no version without a trace, in any order: versions ${what}`, () => {
      holds(
        property(twoOrders(all), ([one, other]) => {
          for (const order of [one, other]) {
            const { winner, conflicts } = join(order);
            assert.deepEqual(untraced(order, [winner, ...conflicts.map(({ loser }) => loser)]), []);
          }
        }),
      );
    });

  test('logs every version that nobody has seen, in any order', () => {
    holds(
      property(history, (all) => {
        const { winner, conflicts } = join(all);
        const losers = new Set(conflicts.map(({ loser }) => loser));
        for (const version of all)
          if (version !== winner && !all.some((other) => other !== version && hasSeen(other, version)))
            assert.ok(losers.has(version));
      }),
    );
  });
});
