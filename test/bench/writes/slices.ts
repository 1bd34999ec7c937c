import type { Sql } from '@concord/runtime';
import { processUs } from '../cpu.ts';
import { type Spread, spreadOf } from '../spread.ts';

/** So short that what else the machine does meets both sides of a pair, and some dozens of commits long. */
const SLICE_MS = 60;

/** One session of the application. */
export type Client = { readonly sql: Sql; readonly pid: number };

/** Runs one transaction; false: there is nothing left to do it to. */
export type Transaction = (sql: Sql) => Promise<boolean>;

/** What one side did. `us` are microseconds of CPU of the clients' backends. */
type Tally = { count: number; ms: number; us: number };

/** Of all pairs: transactions per second, CPU of the backends per transaction (µs), and both ratios of each pair. */
export type Pairs = {
  readonly count: number;
  readonly perSecond: readonly [plain: number, enrolled: number];
  readonly cpuUs: readonly [plain: number, enrolled: number];
  readonly ratio: Spread;
};

const backendsUs = (clients: readonly Client[]): number => clients.reduce((sum, { pid }) => sum + processUs(pid), 0);

async function slice(clients: readonly Client[], run: Transaction, tally: Tally): Promise<void> {
  const us = backendsUs(clients);
  const start = performance.now();
  const end = start + SLICE_MS;
  const counts = await Promise.all(
    clients.map(async ({ sql }) => {
      let count = 0;
      while (performance.now() < end && (await run(sql))) count++;
      return count;
    }),
  );
  tally.ms += performance.now() - start;
  tally.us += backendsUs(clients) - us;
  tally.count += counts.reduce((sum, count) => sum + count, 0);
}

/** Plain, enrolled, enrolled, plain: a machine that becomes slower evenly does so to both. */
export async function pair(clients: readonly Client[], plain: Transaction, enrolled: Transaction): Promise<Pair> {
  const tallies = { plain: { count: 0, ms: 0, us: 0 }, enrolled: { count: 0, ms: 0, us: 0 } };
  for (const side of ['plain', 'enrolled', 'enrolled', 'plain'] as const)
    await slice(clients, side === 'plain' ? plain : enrolled, tallies[side]);
  return tallies;
}

export type Pair = { readonly plain: Readonly<Tally>; readonly enrolled: Readonly<Tally> };

const rate = ({ count, ms }: Tally): number => (1000 * count) / ms;
const cost = ({ count, us }: Tally): number => us / count;

export function summarised(pairs: readonly Pair[]): Pairs {
  const usable = pairs.filter(({ plain, enrolled }) => plain.count > 0 && enrolled.count > 0);
  const median = (of: (pair: Pair) => number): number => spreadOf(usable.map(of)).median;
  return {
    count: usable.length,
    perSecond: [median(({ plain }) => rate(plain)), median(({ enrolled }) => rate(enrolled))],
    cpuUs: [median(({ plain }) => cost(plain)), median(({ enrolled }) => cost(enrolled))],
    ratio: middleHalf(usable.map(({ plain, enrolled }) => rate(enrolled) / rate(plain))),
  };
}

/** Of many ratios the median, and between which two the middle half lies. */
export function middleHalf(ratios: readonly number[]): Spread {
  const sorted = ratios.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  return spreadOf(sorted.slice(cut, sorted.length - cut));
}
