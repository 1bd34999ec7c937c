import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { reportOf } from '../report.ts';
import { seedOf, simulate } from '../simulate.ts';
import { run } from './run.ts';
import { type Step, scheduleWith } from './schedule.ts';

/** Half of the schedules are the same in every run, half are new. */
const FIXED_SEED = 20_261_121;
const SCHEDULES = 4_000;
const RASH = 300;

describe('simulation of policies', () => {
  for (const seed of [FIXED_SEED, randomInt(2 ** 32)])
    test(`no schedule of any policy, or of a change of policies, violates an invariant: seed ${seed}`, async (t) => {
      t.diagnostic(`node test/simulation/main.ts --suite policies --seed ${seed} --schedules ${SCHEDULES / 2}`);
      const { done, counts, found } = await simulate({
        suite: 'policies',
        seed,
        from: 0,
        schedules: SCHEDULES / 2,
        workers: 1,
      });
      assert.equal(found && reportOf(seed, found, 'policies'), undefined);
      assert.equal(done, SCHEDULES / 2);
      for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `${what}: only ${count}`);
    });

  test('while apply functions come before triggers, nothing is parked', () => {
    const schedules = Array.from({ length: RASH }, (_, n) => scheduleWith(seedOf(FIXED_SEED, n), true));
    const orderly = schedules.map((schedule) => run({ ...schedule, rash: false }));
    assert.deepEqual(
      orderly.map(({ failure }) => failure).filter((failure) => failure !== undefined),
      [],
    );
    assert.equal(
      orderly.reduce((sum, { parked }) => sum + parked, 0),
      0,
    );
  });

  test('triggers that change before all apply functions know lattices leave unknown tags parked', () => {
    const results = Array.from({ length: RASH }, (_, n) => run(scheduleWith(seedOf(FIXED_SEED, n), true)));
    assert.ok(results.filter(({ parked }) => parked > 0).length > RASH / 10);
  });

  test('or regions that differ, and only if they are rash', () => {
    const edit = { do: 'write', op: 'a', touched: false } as const;
    const steps: readonly Step[] = [
      { do: 'trigger', region: 0 },
      { ...edit, region: 0, clock: 20 },
      { ...edit, region: 1, clock: 10 },
      { do: 'give', region: 0, picks: [0.99], crash: false },
    ];
    const schedule = { seed: 1, regions: 2, from: 'lww', to: 'merge', bonus: [0, 0], bottom: true, steps } as const;
    assert.equal(run({ ...schedule, rash: true }).failure?.invariant, 'I2');
    assert.equal(run({ ...schedule, rash: false }).failure, undefined);
  });
});
