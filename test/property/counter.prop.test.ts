import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addDecimals, type Counter, type Counters, counterValue, isZero, joinCounters } from '@concord/conflict';
import fc from 'fast-check';
import { regionKeys } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property, tuple } = fc;

type Decimal = { readonly digits: bigint; readonly scale: number };

const decimals = (): fc.Arbitrary<Decimal> =>
  fc.record({
    digits: fc.oneof(fc.bigInt({ min: -200n, max: 200n }), fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n })),
    scale: fc.nat(20),
  });

/** As numeric prints it. */
function textOf({ digits, scale }: Decimal): string {
  const all = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? all : `${all.slice(0, all.length - scale)}.${all.slice(all.length - scale)}`;
  return digits < 0n ? `-${text}` : text;
}

/** By one region's additions a sum is never another one: its sequence says which. */
const counter = (): fc.Arbitrary<Counter> =>
  fc
    .dictionary(regionKeys(), fc.nat(5), { maxKeys: 4, noNullPrototype: true })
    .map((entries) =>
      Object.fromEntries(
        Object.entries(entries).map(([region, sequence]) => [
          region,
          [sequence, String(((sequence * 37) % 11) - region.length)],
        ]),
      ),
    );
const counters = (): fc.Arbitrary<Counters> =>
  fc.dictionary(fc.constantFrom('stock', 'views', 'constructor'), counter(), { noNullPrototype: true });

describe('decimal addition', () => {
  test('is that of whole numbers at the greater scale', () => {
    holds(
      property(decimals(), decimals(), (a, b) => {
        const scale = Math.max(a.scale, b.scale);
        const digits = a.digits * 10n ** BigInt(scale - a.scale) + b.digits * 10n ** BigInt(scale - b.scale);
        assert.equal(addDecimals(textOf(a), textOf(b)), textOf({ digits, scale }));
      }),
    );
  });

  test('of what a number cannot hold is exact', () => {
    assert.equal(addDecimals('0.1', '0.2'), '0.3');
    assert.equal(addDecimals('9007199254740993', '1'), '9007199254740994');
    assert.equal(addDecimals('1.50', '-2'), '-0.50');
    assert.equal(addDecimals('-1.5', '1.50'), '0.00');
  });

  test('knows zero, however small the number is', () => {
    holds(property(decimals(), (a) => assert.equal(isZero(textOf(a)), a.digits === 0n)));
    assert.equal(isZero(`0.${'0'.repeat(400)}1`), false);
    assert.equal(isZero('-0.00'), true);
  });
});

describe('the join of counters', () => {
  test('is commutative, associative and idempotent', () => {
    holds(
      property(tuple(counters(), counters(), counters()), ([a, b, c]) => {
        assert.deepEqual(joinCounters(a, b), joinCounters(b, a));
        assert.deepEqual(joinCounters(joinCounters(a, b), c), joinCounters(a, joinCounters(b, c)));
        assert.deepEqual(joinCounters(a, a), a);
      }),
    );
  });

  test('has of each region the later sum, and the value adds them up', () => {
    holds(
      property(counter(), counter(), (a, b) => {
        const joined = joinCounters({ stock: a }, { stock: b }).stock ?? {};
        const names = new Set([...Object.keys(a), ...Object.keys(b)]);
        let total = 0;
        for (const region of names) {
          const [known, other] = [a[region], b[region]];
          const later = known !== undefined && (other === undefined || known[0] >= other[0]) ? known : other;
          assert.deepEqual(joined[region], later);
          total += Number(later?.[1]);
        }
        assert.equal(Object.keys(joined).length, names.size);
        assert.equal(Number(counterValue(joined)), total);
      }),
    );
  });
});
