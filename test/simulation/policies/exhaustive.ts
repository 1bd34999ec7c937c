import { parseArgs } from 'node:util';
import { explore } from './explore.ts';
import type { Op } from './history.ts';
import { RULES, type RuleName } from './rules.ts';

/*
 * `node test/simulation/policies/exhaustive.ts [--rule counters] [--regions 3] [--writes 3] [--ops insert,a,b,n,delete]
 * [--bonus 0,2,4] [--no-batches] [--max-states N]`: every interleaving of so many writes of one key, by one rule, and of their
 * deliveries: any order, duplicates, batches of two.
 */
const { values } = parseArgs({
  allowNegative: true,
  options: {
    rule: { type: 'string', default: 'counters' },
    regions: { type: 'string', default: '3' },
    writes: { type: 'string', default: '3' },
    ops: { type: 'string', default: 'insert,a,b,n,delete' },
    bonus: { type: 'string', default: '' },
    batches: { type: 'boolean', default: true },
    'max-states': { type: 'string', default: '5000000' },
  },
});

if (!Object.hasOwn(RULES, values.rule)) throw new Error(`--rule must be one of ${Object.keys(RULES)}`);
const bounds = {
  rule: RULES[values.rule as RuleName],
  regions: Number(values.regions),
  writes: Number(values.writes),
  ops: values.ops.split(',') as Op[],
  bonus: values.bonus.split(',').map(Number),
  batches: values.batches,
};

const startedMs = performance.now();
const { states, quiet, complete, violation } = explore(bounds, Number(values['max-states']));
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
if (violation !== undefined) {
  process.stdout.write(`VIOLATION of ${violation.invariant}: ${violation.message}\n  ${violation.path.join('\n  ')}\n`);
  process.exitCode = 1;
}
process.stdout.write(
  `${complete ? 'all' : 'only'} ${states} states, ${quiet} of them quiet, ${seconds} s: ${values.rule}, ${JSON.stringify(bounds)}\n`,
);
