import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RegionState, TableState } from '@concord/events';
import fc from 'fast-check';
import { type HorizonTerms, horizonOf } from '../../functions/reconcile/horizon.ts';
import { holds } from '../support/property.ts';

const T = 'public.t';
const REGIONS = ['us', 'eu', 'ap'];
const PARTITIONS = 2;

const table = (some: Partial<TableState> = {}): TableState => ({
  ...{ rollout: 'live', lattice: false, key: ['id'], columns: [], rows: 0, horizonUs: 0 },
  ...{ unsettled: 0, parked: 0, oldestParkedUs: null, held: 0 },
  ...some,
});

/** All sources of a region are applied up to the same point. */
const state = (region: string, appliedUs: number, some: Partial<RegionState> = {}): RegionState => ({
  ...{ region, server: '', topology: '', selfTest: '', suspended: null, closedUs: appliedUs },
  applied: Object.fromEntries(
    REGIONS.filter((source) => source !== region).map((name) => [name, [appliedUs, appliedUs]]),
  ),
  tables: { [T]: table() },
  ...some,
});

const states = (appliedUs: number, ...others: readonly RegionState[]): Record<string, RegionState> =>
  Object.fromEntries([...REGIONS.map((region) => state(region, appliedUs)), ...others].map((one) => [one.region, one]));

const terms = (some: Partial<HorizonTerms> = {}): HorizonTerms => ({
  ...{ table: T, regions: REGIONS, partitions: PARTITIONS, states: states(100), before: states(50) },
  ...{ asOfUs: 90, verdict: 'match' },
  ...some,
});

const withTable = (us: number, region: string, some: Partial<TableState>): Record<string, RegionState> =>
  states(us, state(region, us, { tables: { [T]: table(some) } }));

describe('the horizon of a table', () => {
  test('is what the run compared, where all have applied more', () => {
    assert.equal(horizonOf(terms()), 90);
    assert.equal(horizonOf(terms({ verdict: 'in_flight' })), 90);
  });

  test('is not above what a region has applied of one partition, nor above what a region has closed itself', () => {
    const behind = state('eu', 100, { applied: { us: [100, 70], ap: [100, 100] } });
    assert.equal(horizonOf(terms({ states: states(100, behind) })), 70);
    assert.equal(horizonOf(terms({ states: states(100, state('ap', 100, { closedUs: 60 })) })), 60);
  });

  test('is nothing while a source, or one of its partitions, was never heard of', () => {
    const deaf = state('eu', 100, { applied: { us: [100, 100] } });
    assert.equal(horizonOf(terms({ states: states(100, deaf) })), 0);
    const half = state('eu', 100, { applied: { us: [100, 100], ap: [100] } });
    assert.equal(horizonOf(terms({ states: states(100, half) })), 0);
  });

  test('is not above the oldest parked record', () => {
    assert.equal(horizonOf(terms({ states: withTable(100, 'eu', { parked: 1, oldestParkedUs: 40 }) })), 40);
  });

  for (const verdict of ['diverged', 'corrupt', 'schema', 'incomplete'] as const)
    test(`is not raised by a run that ends ${verdict}`, () => {
      assert.equal(horizonOf(terms({ verdict })), 0);
      assert.equal(horizonOf(terms({ verdict, states: withTable(100, 'eu', { horizonUs: 30 }) })), 30);
    });

  for (const rollout of ['off', 'shadow'] as const)
    test(`is not raised while the table is ${rollout} in a region`, () => {
      assert.equal(horizonOf(terms({ states: withTable(100, 'ap', { rollout }) })), 0);
    });

  test('is not raised while the table is not enrolled in a region, or a region does not answer or is suspended', () => {
    assert.equal(horizonOf(terms({ states: states(100, state('ap', 100, { tables: {} })) })), 0);
    const { ap: _, ...some } = states(100);
    assert.equal(horizonOf(terms({ states: some })), 0);
    assert.equal(horizonOf(terms({ states: states(100, state('ap', 100, { suspended: 'restored' })) })), 0);
  });

  test('a region that left the topology counts no more', () => {
    const gone = { ...states(100), old: state('old', 3, { tables: { [T]: table({ rollout: 'off' }) } }) };
    assert.equal(horizonOf(terms({ states: gone })), 90);
  });

  test('never goes back', () => {
    assert.equal(horizonOf(terms({ asOfUs: 20, states: withTable(100, 'us', { horizonUs: 80 }) })), 80);
  });

  describe('of a lattice table', () => {
    const lattice = (us: number): Record<string, RegionState> => withTable(us, 'us', { lattice: true });

    test('is what all had applied when the run began, once all that was announced then is here', () => {
      assert.equal(horizonOf(terms({ before: lattice(50), states: lattice(51) })), 50);
      assert.equal(horizonOf(terms({ before: lattice(50), states: lattice(50) })), 0);
    });

    test('waits for what a region had announced then, by which it may have written to rows that were deleted elsewhere', () => {
      const before = { ...lattice(50), eu: state('eu', 50, { closedUs: 95 }) };
      assert.equal(horizonOf(terms({ before, states: lattice(95) })), 0);
      assert.equal(horizonOf(terms({ before, states: lattice(96) })), 50);
    });

    test('is not raised when a region took no part when the run began', () => {
      const { ap: _, ...before } = lattice(50);
      assert.equal(horizonOf(terms({ before, states: lattice(100) })), 0);
    });
  });

  test('is above none of its terms, and not below what was published', () => {
    const us = fc.integer({ min: 0, max: 50 });
    const anyState = (region: string): fc.Arbitrary<RegionState> =>
      fc
        .record({
          closedUs: us,
          applied: fc.dictionary(fc.constantFrom(...REGIONS), fc.array(us, { minLength: 1, maxLength: 2 })),
          suspended: fc.oneof(
            { weight: 9, arbitrary: fc.constant(null) },
            { weight: 1, arbitrary: fc.constant('restored') },
          ),
          oldestParkedUs: fc.option(us, { freq: 2 }),
          horizonUs: us,
          lattice: fc.constant(false),
          rollout: fc.constantFrom('live' as const, 'live' as const, 'live' as const, 'shadow' as const),
        })
        .map(({ closedUs, applied, suspended, ...of }) =>
          state(region, 30, {
            closedUs,
            suspended,
            applied: { ...state(region, 30).applied, ...applied },
            tables: { [T]: table(of) },
          }),
        );
    const anyStates = fc
      .tuple(...REGIONS.map(anyState))
      .map((all) => Object.fromEntries(all.map((one) => [one.region, one])));
    holds(
      fc.property(
        anyStates,
        us,
        fc.constantFrom('match' as const, 'in_flight' as const, 'diverged' as const),
        (now, asOfUs, verdict) => {
          const horizonUs = horizonOf(terms({ states: now, asOfUs, verdict }));
          const all = REGIONS.map((region) => now[region] as RegionState);
          const tables = all.map((one) => one.tables[T] as TableState);
          const formerUs = Math.max(...tables.map((one) => one.horizonUs));
          assert.ok(horizonUs >= formerUs, 'it went back');
          if (horizonUs === formerUs) return;
          assert.ok(verdict !== 'diverged' && all.every((one) => one.suspended === null));
          assert.ok(tables.every((one) => one.rollout === 'live'));
          const bounds = [
            asOfUs,
            ...all.map((one) => one.closedUs),
            ...all.flatMap((one) =>
              REGIONS.filter((source) => source !== one.region).flatMap((source) => [
                ...(one.applied[source] ?? []),
                ...((one.applied[source] ?? []).length < PARTITIONS ? [0] : []),
              ]),
            ),
            ...tables.flatMap((one) => one.oldestParkedUs ?? []),
          ];
          for (const bound of bounds) assert.ok(horizonUs <= bound, `${horizonUs} is above ${bound}`);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
