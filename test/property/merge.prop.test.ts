import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide, merge } from '@concord/conflict';
import fc from 'fast-check';
import type { Held } from '../simulation/policies/history.ts';
import { type Reached, reached } from '../simulation/policies/reachable.ts';
import { RULES, type RuleName } from '../simulation/policies/rules.ts';
import { lineages, versions } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property } = fc;

const WORLDS: readonly (readonly [string, readonly RuleName[]])[] = [
  ['states of a table with counters', ['counters']],
  ['states of a table with groups', ['grouped']],
  ['states of a table on which deletes win', ['wins']],
  ['a mix of lifted and tagged versions', ['lww', 'merge', 'stock']],
  ['a mix of all rules', Object.keys(RULES) as RuleName[]],
];

/** Three of the states that were reached, maybe one twice. */
const three = (rules: readonly RuleName[]): fc.Arbitrary<readonly [Reached, Held, Held, Held]> =>
  reached(rules).chain((world) => {
    const one = fc.constantFrom(...world.states);
    return fc.tuple(fc.constant(world), one, one, one);
  });

describe('the universal join', () => {
  for (const [what, rules] of WORLDS) {
    test(`is commutative, version and image: ${what}`, () => {
      holds(property(three(rules), ([{ join }, a, b]) => assert.equal(join(a, b).held.name, join(b, a).held.name)));
    });

    test(`is associative, version and image: ${what}`, () => {
      holds(
        property(three(rules), ([{ join }, a, b, c]) =>
          assert.equal(join(join(a, b).held, c).held.name, join(a, join(b, c).held).held.name),
        ),
      );
    });

    test(`is idempotent, and what is in a state already changes nothing: ${what}`, () => {
      holds(
        property(three(rules), ([{ join }, a, b]) => {
          const both = join(a, b).held;
          for (const [state, other] of [
            [a, a],
            [both, a],
            [both, b],
          ] as const) {
            const again = merge(state.version, { ...other.version });
            assert.equal(again.from, 'stored');
            assert.equal(again.applied, false);
            if (state === other) assert.deepEqual(again.losers, []);
          }
        }),
      );
    });
  }

  test('changes neither of its inputs', () => {
    holds(
      property(three(['counters', 'lww']), ([, a, b]) => {
        const before = structuredClone([a.version, b.version]);
        merge(a.version, b.version);
        assert.deepEqual([a.version, b.version], before);
      }),
    );
  });
});

describe('on versions of register tables the universal join', () => {
  const pairs = fc.oneof(
    fc.tuple(versions(), versions()),
    lineages().chain((all) => fc.tuple(fc.constantFrom(...all), fc.constantFrom(...all))),
  );

  test('is decide', () => {
    holds(
      property(pairs, ([stored, incoming]) => {
        const decision = decide(stored, incoming);
        const merged = merge(stored, incoming);
        assert.equal(merged.version, decision.outcome === 'apply' ? incoming : stored);
        assert.equal(merged.from, decision.outcome === 'apply' ? 'incoming' : 'stored');
        assert.equal(merged.applied, decision.outcome === 'apply');
        assert.equal(merged.sideOf('any'), merged.from);
      }),
    );
  });

  test('logs what decide logs', () => {
    holds(
      property(pairs, ([stored, incoming]) => {
        const decision = decide(stored, incoming);
        const { losers } = merge(stored, incoming);
        if (decision.because !== 'conflict') return assert.deepEqual(losers, []);
        const { stamp, region } = decision.loser === 'stored' ? stored : incoming;
        assert.deepEqual(losers, [{ side: decision.loser, kind: decision.kind, dot: { stamp, region }, part: '' }]);
      }),
    );
  });
});
