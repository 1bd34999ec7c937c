import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { seedOf } from '../simulate.ts';
import { explore } from './explore.ts';
import type { Bounds } from './model.ts';
import { noCounts, runRandom } from './random-run.ts';

const ALL = { rows: 3, indexes: [[0]], keys: 2, nulls: false, deletes: true, touches: true } as const;

/** Bounds, and how many states there are at least, in all and that end with a held row: fewer would mean that something is no longer explored. */
const RUNS: readonly (readonly [string, Bounds, number, number])[] = [
  ['one key, 3 regions', { ...ALL, regions: 3, writes: 3 }, 110_000, 500],
  ['one key, chains', { ...ALL, regions: 2, writes: 4 }, 100_000, 2000],
  ['two keys that cross', { ...ALL, regions: 2, writes: 3, indexes: [[0], [1]] }, 9000, 400],
  ['two keys that cross, 3 regions', { ...ALL, regions: 3, writes: 2, indexes: [[0], [1]] }, 2000, 30],
  [
    'a key of two columns, with NULL',
    { ...ALL, rows: 2, regions: 2, writes: 3, indexes: [[0, 1]], nulls: true },
    100_000,
    100,
  ],
];

describe('every interleaving of writes, batches and sweeps shows the same rows everywhere and loses none', () => {
  for (const [name, bounds, least, leastHolding] of RUNS)
    test(`${name}: ${bounds.writes} writes in ${bounds.regions} regions`, (t) => {
      const { states, quiet, holding, complete, violation } = explore(bounds, 1_000_000);
      t.diagnostic(`${states} states, ${quiet} of them quiet, ${holding} with a held row`);
      assert.equal(
        violation && `${violation.invariant}: ${violation.message}\n${violation.path.join('\n')}`,
        undefined,
      );
      assert.ok(complete && states > least && holding > leastHolding, `${states} ${quiet} ${holding}`);
    });
});

/** Half of the runs are the same every time, half are new. */
const FIXED_SEED = 20_261_121;
const SCHEDULES = 25_000;

describe('random runs with more of everything', () => {
  for (const seed of [FIXED_SEED, randomInt(2 ** 32)])
    test(`no run violates an invariant: seed ${seed}`, (t) => {
      t.diagnostic(`node test/simulation/unique/main.ts --seed ${seed} --schedules ${SCHEDULES}`);
      const counts = noCounts();
      for (let schedule = 0; schedule < SCHEDULES; schedule++) {
        const failure = runRandom(seedOf(seed, schedule), counts);
        assert.equal(
          failure && `schedule ${schedule}: ${failure.invariant}: ${failure.message}\n${failure.steps.join('\n')}`,
          undefined,
        );
      }
      t.diagnostic(JSON.stringify(counts));
      for (const [what, count] of Object.entries(counts)) assert.ok(count > 50, `${what}: only ${count}`);
    });
});
