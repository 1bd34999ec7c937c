import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { seedOf } from '../simulate.ts';
import { explore } from './explore.ts';
import type { Bounds } from './model.ts';
import { noCounts, runRandom } from './random-run.ts';

/*
 * `node test/simulation/unique/main.ts [--schedules N] [--seed S] [--from N]`: random runs of a seed, from number N on.
 * `node test/simulation/unique/main.ts --exhaustive [--regions 3] [--rows 3] [--keys 2] [--indexes '[[0],[1]]'] [--writes 3]
 * [--nulls] [--no-deletes] [--no-touches] [--max-states N]`: every interleaving. Exit code 1 when an invariant does not hold.
 */
const { values } = parseArgs({
  allowNegative: true,
  options: {
    schedules: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    from: { type: 'string', default: '0' },
    exhaustive: { type: 'boolean', default: false },
    regions: { type: 'string', default: '3' },
    rows: { type: 'string', default: '3' },
    keys: { type: 'string', default: '2' },
    indexes: { type: 'string', default: '[[0]]' },
    writes: { type: 'string', default: '3' },
    nulls: { type: 'boolean', default: false },
    deletes: { type: 'boolean', default: true },
    touches: { type: 'boolean', default: true },
    'max-states': { type: 'string', default: '5000000' },
  },
});

function exploreAll(): string | undefined {
  const bounds: Bounds = {
    regions: Number(values.regions),
    rows: Number(values.rows),
    keys: Number(values.keys),
    indexes: JSON.parse(values.indexes),
    writes: Number(values.writes),
    nulls: values.nulls,
    deletes: values.deletes,
    touches: values.touches,
  };
  const { states, quiet, holding, complete, violation } = explore(bounds, Number(values['max-states']));
  process.stdout.write(
    `${complete ? 'all' : 'only'} ${states} states, ${quiet} of them quiet, ${holding} with a held row: ${JSON.stringify(bounds)}\n`,
  );
  return violation && `${violation.invariant}: ${violation.message}\n  ${violation.path.join('\n  ')}`;
}

function runAll(): string | undefined {
  const [seed, from, schedules] = [Number(values.seed), Number(values.from), Number(values.schedules)];
  process.stdout.write(`unique keys: seed ${seed}, ${schedules} schedules from ${from}\n`);
  const counts = noCounts();
  for (let schedule = from; schedule < from + schedules; schedule++) {
    const failure = runRandom(seedOf(seed, schedule), counts);
    if (failure === undefined) continue;
    return `--seed ${seed} --from ${schedule}: ${failure.invariant}: ${failure.message}\n  ${failure.steps.join('\n  ')}`;
  }
  process.stdout.write(`no violation: ${JSON.stringify(counts)}\n`);
  return undefined;
}

const startedMs = performance.now();
const violation = values.exhaustive ? exploreAll() : runAll();
process.stdout.write(`${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
if (violation !== undefined) {
  process.stdout.write(`VIOLATION of ${violation}\n`);
  process.exitCode = 1;
}
