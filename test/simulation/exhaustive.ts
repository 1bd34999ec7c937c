import { parseArgs } from 'node:util';
import { type Explored, explore } from './explore.ts';
import type { Bounds } from './model.ts';

/*
 * `node test/simulation/exhaustive.ts [--regions 3] [--writes 3] [--open-inserts] [--no-deletes] [--no-batches]
 * [--max-states N]`: every
 * interleaving of so many writes of one key and of their deliveries: any order, duplicates, batches of two.
 */
const { values } = parseArgs({
  allowNegative: true,
  options: {
    regions: { type: 'string', default: '3' },
    writes: { type: 'string', default: '3' },
    deletes: { type: 'boolean', default: true },
    batches: { type: 'boolean', default: true },
    'open-inserts': { type: 'boolean', default: false },
    'max-states': { type: 'string', default: '5000000' },
  },
});

const bounds: Bounds = {
  regions: Number(values.regions),
  writes: Number(values.writes),
  deletes: values.deletes,
  batches: values.batches,
  openInserts: values['open-inserts'],
};

const startedMs = performance.now();
const { states, quiet, complete, violation }: Explored = explore(bounds, Number(values['max-states']));
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
if (violation !== undefined) {
  process.stdout.write(`VIOLATION of ${violation.invariant}: ${violation.message}\n  ${violation.path.join('\n  ')}\n`);
  process.exitCode = 1;
}
process.stdout.write(
  `${complete ? 'all' : 'only'} ${states} states, ${quiet} of them quiet, ${seconds} s: ${JSON.stringify(bounds)}\n`,
);
