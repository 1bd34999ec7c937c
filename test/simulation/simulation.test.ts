import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import { randomFrom } from './random.ts';
import { reportOf, traceOf } from './report.ts';
import { seedOf, simulate } from './simulate.ts';

/** Half of the schedules are the same in every run, half are new. */
const FIXED_SEED = 20_261_121;
const SCHEDULES = 100_000;

describe('simulation', () => {
  for (const seed of [FIXED_SEED, randomInt(2 ** 32)])
    test(`no schedule violates an invariant: seed ${seed}`, async (t) => {
      t.diagnostic(`node test/simulation/main.ts --seed ${seed} --schedules ${SCHEDULES / 2}`);
      const { done, counts, found } = await simulate({
        seed,
        from: 0,
        schedules: SCHEDULES / 2,
        workers: availableParallelism(),
      });
      assert.equal(found && reportOf(seed, found), undefined);
      assert.equal(done, SCHEDULES / 2);
      for (const [what, count] of Object.entries(counts)) assert.ok(count > 50, `${what}: only ${count}`);
    });

  test('the same seed gives the same run, another seed another one', () => {
    for (let schedule = 0; schedule < 50; schedule++) {
      const seed = seedOf(FIXED_SEED, schedule);
      assert.deepEqual(traceOf(seed, false), traceOf(seed, false));
    }
    assert.notDeepEqual(traceOf(seedOf(FIXED_SEED, 0), false), traceOf(seedOf(FIXED_SEED, 1), false));
  });

  test('schedules of neighbouring numbers have different seeds', () => {
    const seeds = new Set(Array.from({ length: SCHEDULES }, (_, schedule) => seedOf(FIXED_SEED, schedule)));
    assert.equal(seeds.size, SCHEDULES);
  });

  test('random numbers are spread over their range', () => {
    const random = randomFrom(1);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) counts[random.below(4)]! += 1;
    assert.ok(
      counts.every((count) => count > 900 && count < 1100),
      `${counts}`,
    );
    assert.deepEqual(random.shuffled([1, 2, 3]).toSorted(), [1, 2, 3]);
  });
});
