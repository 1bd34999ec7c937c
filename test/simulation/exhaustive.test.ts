import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explore } from './explore.ts';
import type { Bounds } from './model.ts';

const ALL = { deletes: true, batches: true, openInserts: false } as const;

/** Bounds, and how many states there are at least: fewer would mean that something is no longer explored. */
const RUNS: readonly (readonly [Bounds, number])[] = [
  [{ ...ALL, regions: 2, writes: 5 }, 170_000],
  [{ ...ALL, regions: 3, writes: 3 }, 20_000],
  [{ ...ALL, regions: 2, writes: 4, openInserts: true }, 30_000],
];

describe('every interleaving', () => {
  for (const [bounds, least] of RUNS) {
    const { regions, writes, openInserts } = bounds;
    test(`of ${writes} writes in ${regions} regions${openInserts ? ' with open inserts' : ''} converges and loses nothing`, (t) => {
      const { states, quiet, complete, violation } = explore(bounds, 1_000_000);
      t.diagnostic(`${states} states, ${quiet} of them quiet`);
      assert.equal(violation && `${violation.message}\n${violation.path.join('\n')}`, undefined);
      assert.ok(complete && states > least && quiet > 500);
    });
  }
});
