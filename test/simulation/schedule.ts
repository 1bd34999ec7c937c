import { type Random, randomFrom } from './random.ts';

/** Regions by index; the order of the indices is not the byte order of the names. */
export const REGION_NAMES = ['west', 'east', 'south', 'north', 'mid'] as const;

/** What becomes of a delivered batch: `unacknowledged` commits, but the answer is lost, so it is delivered again. */
export type Fate = 'commit' | 'crash' | 'unacknowledged';

/** A run of records of one partition of one source's log, from where the consumer stands. */
export type Slice = { readonly source: number; readonly partition: number; readonly max: number };

type At<Do extends string> = { readonly do: Do; readonly region: number };

export type WriteStep = At<'put' | 'delete' | 'begin'> & { readonly key: number; readonly clock: number };
export type EndStep = At<'commit' | 'rollback'> & { readonly key: number };
/** `park`: the record with this number is refused and parked. */
export type Poll = At<'poll'> & {
  readonly slices: readonly Slice[];
  readonly fate: Fate;
  readonly park: number | null;
};
export type Replay = At<'replay'> & { readonly picks: readonly Pick[] };
export type Repair = At<'repair'> & { readonly writes: readonly number[] };
export type Trouble =
  | At<'cut' | 'heal' | 'settle' | 'retry' | 'resume'>
  | (At<'republish'> & { readonly last: number });

/**
 * One step. Any step can be left out or meet any world: what makes no sense there does nothing. So a failing schedule can be
 * made smaller by dropping steps.
 */
export type Step = WriteStep | EndStep | Poll | Replay | Repair | Trouble;

/** A record of a log, as a fraction (0–1) of what was delivered before. */
export type Pick = { readonly source: number; readonly partition: number; readonly at: number };

export type Schedule = {
  readonly seed: number;
  readonly regions: number;
  readonly partitions: number;
  /** Per key: did a row exist everywhere before enrolment? */
  readonly keys: readonly { readonly bottom: boolean }[];
  readonly steps: readonly Step[];
};

/** 2026-11-21, in µs: clocks are near it. */
export const BASE = 1_795_000_000_000_000;
const FIVE_MINUTES = 300_000_000;

/** Clocks of a schedule: all equal, so that stamps tie; or off by up to 5 minutes, fixed or stepping at each write. */
export function clocksOf(random: Random, regions: number): (region: number) => number {
  const regime = random.pick(['equal', 'coarse', 'skewed', 'stepping']);
  const offsets = Array.from({ length: regions }, () => random.between(-FIVE_MINUTES, FIVE_MINUTES));
  let now = BASE;
  return (region) => {
    now += random.pick([0, 0, 1, 1, 1000]);
    if (regime === 'equal') return now;
    if (regime === 'coarse') return BASE + random.below(4);
    if (regime === 'stepping') offsets[region] = random.between(-FIVE_MINUTES, FIVE_MINUTES);
    return now + (offsets[region] ?? 0);
  };
}

/** The schedule of a seed: 5–12 writes, 20–60 deliveries and now and then trouble. */
export function scheduleOf(seed: number): Schedule {
  const random = randomFrom(seed);
  const regions = random.between(2, REGION_NAMES.length);
  const keys = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => ({ bottom: random.chance(0.2) }));
  const world = { seed, regions, partitions: random.between(1, 2), keys };
  const clock = clocksOf(random, regions);
  const openShare = random.pick([0, 0.1, 0.6]);
  const writes = Array.from({ length: random.between(5, 12) }, () => writeStep(random, world, clock, openShare));
  const deliveries = Array.from({ length: random.between(20, 60) }, () => deliveryStep(random, world));
  const trouble = Array.from({ length: random.between(0, 8) }, () => troubleStep(random, world));
  const ends = writes.filter((step) => step.do === 'begin').map((step) => endStep(random, step));
  const steps = interleaved(random, writes, random.shuffled([...deliveries, ...trouble, ...ends]));
  return { ...world, steps: random.chance(0.1) ? interleaved(random, race(random, world, clock), steps) : steps };
}

type Frame = Omit<Schedule, 'steps'>;

/** Writes stay in their order (a clock may only go on from where it stood); everything else falls anywhere between. */
function interleaved(random: Random, writes: readonly Step[], others: readonly Step[]): Step[] {
  const steps: Step[] = [];
  let [w, o] = [0, 0];
  while (w < writes.length || o < others.length) {
    const write = random.below(writes.length - w + others.length - o) < writes.length - w;
    steps.push((write ? writes[w++] : others[o++]) as Step);
  }
  return steps;
}

/** `openShare` of the writes are inserts that stay open while others go on. */
function writeStep(
  random: Random,
  { regions, keys }: Frame,
  clock: (region: number) => number,
  openShare: number,
): WriteStep {
  const [region, key] = [random.below(regions), random.below(keys.length)];
  const step = { region, key, clock: clock(region) };
  if (random.chance(openShare)) return { do: 'begin', ...step };
  return { do: random.chance(0.35) ? 'delete' : 'put', ...step };
}

/** What chance alone seldom makes: a tombstone arrives while an insert of its key, stamped before, is open. */
function race(random: Random, { regions, partitions, keys }: Frame, clock: (region: number) => number): Step[] {
  const [here, there] = random.shuffled(Array.from({ length: regions }, (_, region) => region)) as [number, number];
  const key = random.below(keys.length);
  const slices = Array.from({ length: partitions }, (_, partition) => ({ source: there, partition, max: 8 }));
  return [
    { do: 'put', region: there, key, clock: clock(there) },
    { do: 'begin', region: here, key, clock: clock(here) },
    { do: 'delete', region: there, key, clock: clock(there) },
    { do: 'poll', region: here, slices, fate: 'commit', park: null },
    { do: 'commit', region: here, key },
  ];
}

const endStep = (random: Random, { region, key }: WriteStep): EndStep => ({
  do: random.chance(0.9) ? 'commit' : 'rollback',
  region,
  key,
});

function deliveryStep(random: Random, frame: Frame): Step {
  const region = random.below(frame.regions);
  const kind = random.below(20);
  if (kind === 0) return { do: 'replay', region, picks: picksOf(random, frame, region) };
  if (kind === 1)
    return { do: 'repair', region, writes: Array.from({ length: random.between(1, 4) }, () => random.below(64)) };
  const fate = random.pick<Fate>([
    'commit',
    'commit',
    'commit',
    'commit',
    'commit',
    'commit',
    'crash',
    'unacknowledged',
  ]);
  const park = random.chance(0.05) ? random.below(8) : null;
  return { do: 'poll', region, slices: slicesOf(random, frame, region), fate, park };
}

function slicesOf(random: Random, { regions, partitions }: Frame, region: number): Slice[] {
  const all = [];
  for (let source = 0; source < regions; source++)
    for (let partition = 0; partition < partitions; partition++)
      if (source !== region) all.push({ source, partition, max: random.between(1, 4) });
  return random.shuffled(all).slice(0, random.between(1, all.length));
}

const picksOf = (random: Random, { regions, partitions }: Frame, region: number): Pick[] =>
  Array.from({ length: random.between(1, 6) }, () => ({
    source: (region + 1 + random.below(regions - 1)) % regions,
    partition: random.below(partitions),
    at: random.below(1024) / 1024,
  }));

function troubleStep(random: Random, { regions }: Frame): Trouble {
  const [kind, region] = [random.below(10), random.below(regions)];
  if (kind === 0) return { do: 'republish', region, last: random.between(1, 3) };
  return { do: random.pick(['cut', 'heal', 'heal', 'settle', 'settle', 'retry', 'resume']), region };
}
