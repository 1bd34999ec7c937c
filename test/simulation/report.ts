import { run } from './run.ts';
import { BASE, scheduleOf } from './schedule.ts';
import { shrunk } from './shrink.ts';
import { type Found, seedOf } from './simulate.ts';

/** Stamps are read more easily without the digits that they share. */
const readable = (line: string): string =>
  line.replaceAll(/\b1(?:794|795)\d{12}\b/g, (stamp) => {
    const offset = Number(stamp) - BASE;
    return offset < 0 ? `${offset}` : `+${offset}`;
  });

/** All that happens in a schedule, line by line; stamps are µs from a common base. */
export function traceOf(scheduleSeed: number, minimal: boolean): string[] {
  const schedule = scheduleOf(scheduleSeed);
  const lines: string[] = [];
  run(minimal ? shrunk(schedule) : schedule, (line) => lines.push(readable(line)));
  return lines;
}

/** What a person needs to understand a violation and to see it again. */
export const reportOf = (seed: number, { schedule, failure }: Found): string =>
  [
    `VIOLATION of ${failure.invariant} in schedule ${schedule} of seed ${seed}`,
    ...traceOf(seedOf(seed, schedule), true).map((line) => `  ${line}`),
    `again: node test/simulation/main.ts --seed ${seed} --from ${schedule} --schedules 1`,
  ].join('\n');
