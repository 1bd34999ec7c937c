import { type Random, randomFrom } from '../random.ts';
import { clocksOf, REGION_NAMES } from '../schedule.ts';
import type { Op } from './history.ts';
import type { RuleName } from './rules.ts';

type At<Do extends string> = { readonly do: Do; readonly region: number };

/** `touched`: it is in one transaction with an earlier write of the row, so its trigger looks the tombstone up. */
export type WriteStep = At<'write'> & { readonly op: Op; readonly clock: number; readonly touched: boolean };
/** An insert that is stamped and stays open, and its end. */
export type OpenStep = At<'begin'> & { readonly clock: number };
export type EndStep = At<'commit' | 'rollback'> & { readonly clock: number; readonly touched: boolean };
/** A batch of any versions, as fractions (0–1) of the history. A crash comes before the commit. */
export type GiveStep = At<'give'> & { readonly picks: readonly number[]; readonly crash: boolean };
/** The region's apply function, or its triggers, change to the new release or rule. */
export type SwitchStep = At<'settle' | 'resolver' | 'trigger'>;

/** Any step can be left out or meet any world: what makes no sense there does nothing. */
export type Step = WriteStep | OpenStep | EndStep | GiveStep | SwitchStep;

export type Schedule = {
  readonly seed: number;
  readonly regions: number;
  readonly from: RuleName;
  readonly to: RuleName;
  /** Triggers change although other regions' apply functions cannot read what they make. */
  readonly rash: boolean;
  /** By region, µs. */
  readonly bonus: readonly number[];
  /** Did the row exist everywhere before enrolment? */
  readonly bottom: boolean;
  readonly steps: readonly Step[];
};

const ALL: readonly [RuleName, ...RuleName[]] = ['lww', 'merge', 'group', 'counters', 'grouped', 'wins', 'stock'];
const CHANGES: readonly [readonly [RuleName, RuleName], ...(readonly [RuleName, RuleName])[]] = [
  ['lww', 'merge'],
  ['lww', 'counters'],
  ['lww', 'stock'],
  ['lww', 'wins'],
  ['merge', 'lww'],
  ['counters', 'lww'],
  ['merge', 'group'],
  ['group', 'merge'],
  ['wins', 'merge'],
  ['merge', 'counters'],
  ['counters', 'merge'],
  ['stock', 'counters'],
];

/** The schedule of a seed: 8–14 writes in 2–5 regions, by one rule or while it is being changed. */
export const scheduleOf = (seed: number): Schedule => scheduleWith(seed, false);

export function scheduleWith(seed: number, rash: boolean): Schedule {
  const random = randomFrom(seed);
  const regions = random.between(2, REGION_NAMES.length);
  const same = random.pick(ALL);
  const [from, to] = rash ? (['lww', 'merge'] as const) : random.chance(0.5) ? [same, same] : random.pick(CHANGES);
  const bonus = Array.from({ length: regions }, () => random.pick([0, 0, 2, 1000, 60_000_000]));
  const clock = clocksOf(random, regions);
  const openShare = random.pick([0, 0, 0.3]);
  const writes = Array.from({ length: random.between(8, 14) }, () => localStep(random, regions, clock, openShare));
  const ends = writes.flatMap((step): Step[] =>
    step.do === 'begin'
      ? [{ do: random.chance(0.9) ? 'commit' : 'rollback', region: step.region, clock: 0, touched: random.chance(0.5) }]
      : [],
  );
  const gives = Array.from({ length: random.between(20, 50) }, () => giveStep(random, regions));
  const others = [...gives, ...ends, ...switchSteps(random, regions)];
  const steps = [...writes, ...random.shuffled(others)];
  const first = random.chance(0.2) ? race(random, regions, clock) : [];
  const mixed = interleaved(random, [...first, ...steps], first.length + writes.length);
  return { seed, regions, from, to, rash, bonus, bottom: random.chance(0.3), steps: mixed };
}

/** What chance alone seldom makes: the tombstone of a later life arrives while an insert, stamped before, is open. */
function race(random: Random, regions: number, clock: (region: number) => number): Step[] {
  const [here, there] = random.shuffled(Array.from({ length: regions }, (_, region) => region)) as [number, number];
  const write = (op: Op): Step => ({ do: 'write', region: there, op, clock: clock(there), touched: false });
  return [
    { do: 'begin', region: here, clock: clock(here) },
    write('insert'),
    ...(random.chance(0.5) ? [write('an')] : []),
    write('delete'),
    { do: 'give', region: here, picks: [1023 / 1024], crash: false },
    { do: 'commit', region: here, clock: 0, touched: random.chance(0.3) },
    ...random.pick<Step[]>([[], [{ ...write('an'), region: here }], [{ ...write('delete'), region: here }]]),
  ];
}

/** The first ones stay in their order: a clock goes on from where it stood. The others fall anywhere between. */
function interleaved(random: Random, steps: readonly Step[], first: number): Step[] {
  const [writes, others] = [steps.slice(0, first), steps.slice(first)];
  const mixed: Step[] = [];
  while (writes.length > 0 || others.length > 0) {
    const from = random.below(writes.length + others.length) < writes.length ? writes : others;
    mixed.push(from.shift() as Step);
  }
  return mixed;
}

function localStep(
  random: Random,
  regions: number,
  clock: (region: number) => number,
  openShare: number,
): WriteStep | OpenStep {
  const region = random.below(regions);
  if (random.chance(openShare)) return { do: 'begin', region, clock: clock(region) };
  const op = random.pick<Op>(['insert', 'a', 'a', 'b', 'ab', 'n', 'n', 'an', 'delete', 'delete']);
  return { do: 'write', region, op, clock: clock(region), touched: random.chance(0.1) };
}

const giveStep = (random: Random, regions: number): GiveStep => ({
  do: 'give',
  region: random.below(regions),
  picks: Array.from({ length: random.pick([1, 1, 1, 2, 3, 5]) }, () => random.below(1024) / 1024),
  crash: random.chance(0.1),
});

function switchSteps(random: Random, regions: number): SwitchStep[] {
  const all = Array.from({ length: regions }, (_, region): SwitchStep[] => [
    { do: 'resolver', region },
    { do: 'resolver', region },
    { do: 'trigger', region },
    { do: 'trigger', region },
    { do: 'settle', region },
    { do: 'settle', region },
  ]);
  return random.shuffled(all.flat());
}
