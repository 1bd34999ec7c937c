import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { reportOf } from './report.ts';
import { simulate } from './simulate.ts';
import { SUITES, type SuiteName } from './suites.ts';

/*
 * `node test/simulation/main.ts [--suite tables|policies] [--schedules N] [--seed S] [--from N]`: runs N schedules of a seed, from
 * number N on. The same seed gives the same run. Exit code 1 when an invariant does not hold.
 */
const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'tables' },
    schedules: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});

const PROGRESS_MS = 2000;

const suite = values.suite as SuiteName;
if (!Object.hasOwn(SUITES, suite)) throw new Error(`--suite must be one of ${Object.keys(SUITES)}`);

function natural(name: string, text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < 0)
    throw new Error(`--${name} must be a natural number, not '${text}'`);
  return value;
}

const seed = values.seed === undefined ? randomInt(2 ** 32) : natural('seed', values.seed);
const [schedules, from] = [natural('schedules', values.schedules), natural('from', values.from)];
process.stdout.write(`simulation of ${suite}: seed ${seed}, ${schedules} schedules from ${from}\n`);

const startedMs = performance.now();
let toldMs = startedMs;
const outcome = await simulate({
  suite,
  seed,
  from,
  schedules,
  workers: availableParallelism(),
  onProgress(done) {
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    process.stdout.write(`  ${done} of ${schedules}\n`);
  },
});
if (outcome.found !== undefined) {
  process.stdout.write(`${reportOf(seed, outcome.found, suite)}\n`);
  process.exitCode = 1;
} else {
  const seconds = (performance.now() - startedMs) / 1000;
  const counts = Object.entries(outcome.counts).map(([name, count]) => `${count} ${name}`);
  process.stdout.write(`no violation in ${outcome.done} schedules, ${seconds.toFixed(1)} s: ${counts.join(', ')}\n`);
}
