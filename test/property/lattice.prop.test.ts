import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  compare,
  compareLives,
  covers,
  joinRegisters,
  type Lattice,
  lift,
  overlap,
  type Ranked,
  type Registers,
  registerOf,
} from '@concord/conflict';
import fc from 'fast-check';
import { reached } from '../simulation/policies/reachable.ts';
import { regionKeys, stamps, versions } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property, tuple } = fc;

const dots = (): fc.Arbitrary<Ranked> =>
  fc.record({ stamp: stamps(), region: regionKeys() }, { noNullPrototype: true });
const names = fc.constantFrom('a', 'b', 'a,b', 'b,c', '*', 'aa');
const columns = fc.constantFrom('a', 'b', 'c', 'aa');
const registers = (): fc.Arbitrary<Registers> => fc.dictionary(names, dots(), { maxKeys: 4, noNullPrototype: true });
const latticeOf = (own: Registers): Lattice => ({
  incarnation: { stamp: 0, region: '' },
  registers: own,
  counters: {},
  txId: '0',
});

describe('registers', () => {
  test('are joined commutatively, associatively and idempotently', () => {
    holds(
      property(tuple(registers(), registers(), registers()), ([a, b, c]) => {
        assert.deepEqual(joinRegisters(a, b), joinRegisters(b, a));
        assert.deepEqual(joinRegisters(joinRegisters(a, b), c), joinRegisters(a, joinRegisters(b, c)));
        assert.deepEqual(joinRegisters(a, a), a);
      }),
    );
  });

  test('of a column: the last of all that cover it, also after a join', () => {
    holds(
      property(registers(), registers(), columns, (a, b, column) => {
        const joined = registerOf(latticeOf(joinRegisters(a, b)), column);
        const [left, right] = [registerOf(latticeOf(a), column), registerOf(latticeOf(b), column)];
        assert.equal(compare(joined, compare(left, right) > 0 ? left : right), 0);
      }),
    );
  });

  test('overlap exactly if they share a column', () => {
    holds(
      property(names, names, (a, b) => {
        const shared = ['a', 'b', 'c', 'aa'].some((column) => covers(a, column) && covers(b, column));
        assert.equal(overlap(a, b), shared);
        assert.equal(overlap(b, a), shared);
      }),
    );
  });
});

describe('the order of lives', () => {
  test('of lifted versions is the order of versions', () => {
    holds(
      property(versions(), versions(), (a, b) => {
        if (compare(a, b) === 0) return;
        assert.equal(Math.sign(compareLives(a, b)), compare(a, b));
      }),
    );
  });

  test('is antisymmetric and transitive on states that are reached', () => {
    const states = reached(['lww', 'counters', 'wins']).chain(({ states }) => {
      const one = fc.constantFrom(...states);
      return tuple(one, one, one);
    });
    holds(
      property(states, ([{ version: a }, { version: b }, { version: c }]) => {
        assert.equal(Math.sign(compareLives(a, b)), -Math.sign(compareLives(b, a)) || 0);
        if (compareLives(a, b) >= 0 && compareLives(b, c) >= 0) assert.ok(compareLives(a, c) >= 0);
        if (compareLives(a, b) === 0) assert.equal(compare(lift(a).incarnation, lift(b).incarnation), 0);
      }),
    );
  });
});
