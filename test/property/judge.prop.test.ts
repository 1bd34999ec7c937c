import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { formatStamp, type Version } from '@concord/conflict';
import {
  type Difference,
  formatCounters,
  formatRanked,
  formatRegisters,
  type Holding,
  type RepairVersion,
  type StoredVersion,
} from '@concord/events';
import fc from 'fast-check';
import { type Judgement, judge, type KeyReading, type Rules } from '../../functions/reconcile/judge.ts';
import type { Held } from '../simulation/policies/history.ts';
import { type Reached, reached } from '../simulation/policies/reachable.ts';
import { RULES, type RuleName } from '../simulation/policies/rules.ts';
import { CLOSED_US, made } from '../support/fake-regions.ts';
import { holds } from '../support/property.ts';

const { property } = fc;
const NAMES = ['us-1', 'eu-1', 'ap-1', 'ap-2'] as const;
const ALL_CLOSED: Rules = {
  table: 'public.items',
  bounds: { asOfUs: Number.MAX_SAFE_INTEGER, sources: {} },
  horizonUs: 0,
  columns: ['id', 'label'],
};

const reading = (...versions: readonly StoredVersion[]): KeyReading => ({ versions, unsettled: false, parked: false });

const WORLDS: readonly (readonly [string, readonly RuleName[]])[] = [
  ['a register table', ['lww']],
  ['a table with counters', ['counters']],
  ['a table with groups', ['grouped']],
  ['a table on which deletes win', ['wins']],
  ['a table whose policy is being changed', Object.keys(RULES) as RuleName[]],
];

/** What two to four regions hold of a key: one of the states that were reached, or nothing. */
const held = (
  rules: readonly RuleName[],
): fc.Arbitrary<readonly [Reached, readonly (Held | undefined)[], readonly number[]]> =>
  reached(rules).chain((world) =>
    fc.tuple(
      fc.constant(world),
      fc.array(fc.option(fc.constantFrom(...world.states), { nil: undefined, freq: 5 }), {
        minLength: 2,
        maxLength: 4,
      }),
      fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
    ),
  );

function storedOf({ version, name, image }: Held): StoredVersion {
  const { kind, stamp, region, vector, writes, lattice } = version;
  const event = {
    id: '1',
    ...(kind === 'row' && image),
    _version: String(writes),
    _last_updated: formatStamp(stamp),
    _source_region: region,
    _tx_id: lattice?.txId ?? '0',
    _version_vector: JSON.stringify(vector),
    ...(lattice && {
      _incarnation: formatRanked(lattice.incarnation),
      _column_stamps: formatRegisters(lattice.registers),
      _counters: formatCounters(lattice.counters),
    }),
  };
  return {
    ...{ key: ['1'], id: '1', place: kind, stampUs: stamp, region, event },
    version: JSON.stringify(vector),
    latestUs: latestOf(version),
    hash: BigInt(`0x${createHash('sha256').update(name).digest('hex').slice(0, 16)}`).toString(),
  };
}

const latestOf = ({ stamp, vector }: Version): number => Math.max(stamp, ...Object.values(vector));

const readingsOf = (states: readonly (Held | undefined)[]): Map<string, KeyReading> =>
  new Map(
    states.map((state, index) => [NAMES[index] as string, state === undefined ? reading() : reading(storedOf(state))]),
  );

const joined = ({ join }: Reached, states: readonly (Held | undefined)[]): Held | undefined =>
  states.reduce((all, one) => (all === undefined || one === undefined ? (all ?? one) : join(all, one).held), undefined);

describe('the judgement of a key', () => {
  for (const [what, rules] of WORLDS) {
    test(`names exactly the regions that hold less than the join: ${what}`, () => {
      holds(
        property(held(rules), ([world, states]) => {
          const winner = joined(world, states);
          const less = states.flatMap((state, index) => (state?.name === winner?.name ? [] : [NAMES[index]]));
          const judgement = judge(['1'], readingsOf(states), ALL_CLOSED);
          assert.deepEqual(lessIn(judgement), less.sort());
          if (judgement !== undefined) assert.equal(judgement.difference.verdict, 'diverged');
        }),
      );
    });

    test(`sends each region what makes it the join: ${what}`, () => {
      holds(
        property(held(rules), ([world, states]) => {
          const winner = joined(world, states);
          const byEvent = new Map(world.states.map((state) => [JSON.stringify(storedOf(state).event), state]));
          const wanted = judge(['1'], readingsOf(states), ALL_CLOSED)?.wanted ?? new Map<string, RepairVersion[]>();
          for (const [index, state] of states.entries()) {
            const versions = wanted.get(NAMES[index] as string) ?? [];
            const sent = versions.map(({ event }) => byEvent.get(JSON.stringify(event)));
            assert.equal(joined(world, [state, ...sent])?.name, winner?.name);
          }
        }),
      );
    });

    test(`does not depend on the order of regions: ${what}`, () => {
      holds(
        property(held(rules), ([, states, order]) => {
          const readings = readingsOf(states);
          const shuffled = new Map(
            order.flatMap((index) => {
              const name = NAMES[index] as string;
              const one = readings.get(name);
              return one === undefined ? [] : [[name, one] as const];
            }),
          );
          assert.deepEqual(judge(['1'], shuffled, ALL_CLOSED), judge(['1'], readings, ALL_CLOSED));
        }),
      );
    });

    test(`calls nothing diverged of which a write may be under way, and sends nothing of it: ${what}`, () => {
      holds(
        property(held(rules), fc.integer({ min: 1, max: 20 }), ([world, states], asOfUs) => {
          const judgement = judge(['1'], readingsOf(states), { ...ALL_CLOSED, bounds: { asOfUs, sources: {} } });
          const winner = joined(world, states);
          if (judgement === undefined || winner === undefined) return;
          const isOpen = latestOf(winner.version) >= asOfUs;
          if (isOpen) assert.equal(judgement.difference.verdict, 'in_flight');
          if (judgement.difference.verdict === 'in_flight') assert.equal(judgement.wanted.size, 0);
          if (rules.length === 1 && rules[0] === 'lww')
            assert.equal(judgement.difference.verdict === 'in_flight', isOpen);
        }),
      );
    });
  }

  const lessIn = (judgement: Judgement | undefined): string[] =>
    Object.entries(judgement?.difference.holdings ?? {})
      .filter(([, { holds: what }]) => what !== 'winner')
      .map(([name]) => name)
      .sort();
});

/** What is done to one key in one region that held the same as all others. */
const DAMAGES = [
  'missing',
  'stale',
  'content',
  'resurrected',
  'lost_tombstone',
  'buried',
  'placement',
  'unsettled',
  'parked',
] as const;
type Damage = (typeof DAMAGES)[number];

const isDead = (damage: Damage): boolean => ['resurrected', 'lost_tombstone', 'buried'].includes(damage);

/** The key as all hold it, and as the damaged region does. */
function damaged(damage: Damage, stampUs: number): readonly [StoredVersion, KeyReading] {
  const whole = made({ id: '1', region: 'us-1', stampUs, place: isDead(damage) ? 'tombstone' : 'row' });
  const older = made({ id: '1', region: 'eu-1', stampUs: stampUs - 1, label: 'older' });
  const readings: Readonly<Record<Damage, KeyReading>> = {
    missing: reading(),
    stale: reading(older),
    content: reading(made({ id: '1', region: 'us-1', stampUs, label: 'other' })),
    resurrected: reading(older),
    lost_tombstone: reading(),
    buried: reading(whole, older),
    placement: reading({ ...whole, place: 'held' }),
    unsettled: { ...reading(older), unsettled: true },
    parked: { ...reading(older), parked: true },
  };
  return [whole, readings[damage]];
}

const EXPECTED: Readonly<Record<Damage, readonly [Holding['holds'], Difference['verdict'], sent: boolean]>> = {
  missing: ['missing', 'diverged', true],
  stale: ['stale', 'diverged', true],
  content: ['content', 'corrupt', true],
  resurrected: ['resurrected', 'diverged', true],
  lost_tombstone: ['lost_tombstone', 'diverged', true],
  buried: ['resurrected', 'diverged', true],
  placement: ['placement', 'diverged', false],
  unsettled: ['unsettled', 'in_flight', false],
  parked: ['parked', 'in_flight', false],
};

describe('damage', () => {
  const stamps = fc.integer({ min: CLOSED_US - 1_000_000, max: CLOSED_US + 1_000_000 });
  const rules = { ...ALL_CLOSED, bounds: { asOfUs: CLOSED_US, sources: {} } };

  test('of every kind is told by its name, and is in flight exactly where the version is later than what is closed', () => {
    holds(
      property(fc.constantFrom(...DAMAGES), stamps, fc.nat(3), (damage, stampUs, where) => {
        const [whole, there] = damaged(damage, stampUs);
        const readings = new Map(NAMES.map((name, index) => [name, index === where ? there : reading(whole)]));
        const judgement = judge(['1'], readings, rules);
        const [what, verdict, isSent] = EXPECTED[damage];
        const isOpen = stampUs >= CLOSED_US;
        assert.equal(judgement?.difference.verdict, isOpen ? 'in_flight' : verdict);
        const { holdings } = judgement?.difference ?? assert.fail();
        const less = NAMES.filter((name) => holdings[name]?.holds === what);
        // Of two contents the greater wins wherever it stands: either the one region is wrong, or all others are.
        const others = NAMES.filter((_, index) => index !== where);
        const isOther = damage === 'content' && less.length > 1;
        assert.deepEqual(less, isOther ? others : [NAMES[where]]);
        const expected = isOpen || !isSent ? [] : less;
        assert.deepEqual([...(judgement?.wanted.keys() ?? [])].sort(), [...expected].sort());
      }),
    );
  });

  test('of no kind is seen where all regions have it, or where a tombstone below the horizon is gone', () => {
    holds(
      property(fc.constantFrom(...DAMAGES), stamps, fc.nat(3), (damage, stampUs, where) => {
        const [whole] = damaged(damage, stampUs);
        const same = new Map(NAMES.map((name) => [name, reading(whole)]));
        assert.equal(judge(['1'], same, rules), undefined);
        const dead = made({ id: '1', region: 'us-1', stampUs, place: 'tombstone' });
        const gone = new Map(NAMES.map((name, index) => [name, index === where ? reading() : reading(dead)]));
        const judgement = judge(['1'], gone, { ...rules, horizonUs: CLOSED_US });
        assert.equal(judgement === undefined, stampUs < CLOSED_US);
      }),
    );
  });

  test('undelivered is what only its own region holds', () => {
    holds(
      property(fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 }), fc.boolean(), (holders, isOlderThere) => {
        const version = made({ id: '1', region: 'us-1' });
        const older = made({ id: '1', region: 'eu-1', stampUs: CLOSED_US - 5000 });
        const others = isOlderThere ? reading(older) : reading();
        const readings = new Map(
          NAMES.map((name, index) => [name, holders.includes(index) ? reading(version) : others]),
        );
        const isAlone = holders.length === 1 && holders[0] === 0;
        assert.equal(judge(['1'], readings, rules)?.difference.undelivered, isAlone);
      }),
    );
  });
});
