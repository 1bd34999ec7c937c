import { type Found, seedOf } from './simulate.ts';
import { readable, SUITES, type SuiteName } from './suites.ts';

/** All that happens in a schedule, line by line; stamps are µs from a common base. */
export function traceOf(scheduleSeed: number, minimal: boolean, suite: SuiteName = 'tables'): string[] {
  const lines: string[] = [];
  SUITES[suite].trace(scheduleSeed, minimal, (line) => lines.push(readable(line)));
  return lines;
}

/** What a person needs to understand a violation and to see it again. */
export const reportOf = (seed: number, { schedule, failure }: Found, suite: SuiteName = 'tables'): string =>
  [
    `VIOLATION of ${failure.invariant} in schedule ${schedule} of seed ${seed}`,
    ...traceOf(seedOf(seed, schedule), true, suite).map((line) => `  ${line}`),
    `again: node test/simulation/main.ts ${suite === 'tables' ? '' : `--suite ${suite} `}--seed ${seed} --from ${schedule} --schedules 1`,
  ].join('\n');
