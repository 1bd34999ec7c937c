import type { Mutant } from './mutant.ts';

const SIMULATION = ['test/simulation/simulation.test.ts'];

/** Bugs in the pure core. */
export const PURE: readonly Mutant[] = [
  {
    name: 'equal stamps without tie-break',
    file: 'layers/conflict/order.ts',
    find: `if (a.region === b.region) return 0;
  return a.region < b.region ? -1 : 1;`,
    replace: 'return 0;',
    tests: SIMULATION,
    why: 'two regions that write in the same microsecond keep their own versions for ever',
  },
];
