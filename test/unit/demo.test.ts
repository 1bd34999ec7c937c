import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { drawFor } from '../../local/demo/draw.ts';
import { seededRandom } from '../../local/demo/random.ts';
import { type Findings, verdictOf } from '../../local/demo/verdict.ts';
import { nextWrite } from '../../local/demo/workload.ts';

describe('the writes of the demo', () => {
  const writes = (seed: number, region = 'eu-west-1') => {
    const draw = drawFor({ random: seededRandom(seed, region), slot: 2, slots: [0, 1, 2], stride: 32 });
    return Array.from({ length: 500 }, () => nextWrite(draw));
  };
  test('are the same for the same seed and region, and others for others', () => {
    assert.deepEqual(writes(1), writes(1));
    assert.notDeepEqual(writes(1), writes(2));
    assert.notDeepEqual(writes(1), writes(1, 'us-east-1'));
  });
  test('insert, update and delete', () => {
    const verbs = new Set(writes(1).map(({ sql }) => sql.split(/\s/)[0]));
    assert.deepEqual([...verbs].sort(), ['delete', 'insert', 'update']);
  });
});

describe('ids are drawn', () => {
  const slots: [number, ...number[]] = [0, 1, 31];
  const draw = drawFor({ random: seededRandom(7, 'x'), slot: 1, slots, stride: 32 });
  test('from those that the regions own, above the rows of the schema', () => {
    draw.issue('users', 10);
    for (let n = 0; n < 500; n++) {
      const id = draw.anyId('users');
      assert.ok(id > 20 && slots.includes(id % 32), String(id));
      assert.equal(draw.ownId('users') % 32, 1);
      assert.ok(draw.ownId('users') <= 33 + 9 * 32);
      assert.ok(draw.hotId() >= 1 && draw.hotId() <= 8);
    }
  });
});

describe('random numbers', () => {
  test('stay within their limits and reach both', () => {
    const random = seededRandom(1, 'limits');
    const seen = new Set(Array.from({ length: 1000 }, () => random.between(3, 6)));
    assert.deepEqual([...seen].sort(), [3, 4, 5, 6]);
    assert.ok(Array.from({ length: 1000 }, random.next).every((n) => n >= 0 && n < 1));
  });
});

describe('the verdict', () => {
  const tally = { received: 5, applied: 3, superseded: 1, held: 0, parked: 1, conflicts: 2 };
  const good: Findings = {
    carrier: 'embedded',
    wrong: [],
    comparison: { equal: true, tables: [], rows: 7, differences: [] },
    accounts: [
      { tally, parked: { not_json: 1 }, unsettled: 0 },
      { tally, parked: {}, unsettled: 0 },
    ],
    delivered: 10,
    ...{ appliedPerSecond: 1, lagMsP50: 1, lagMsP99: 2 },
  };
  const verdict = (changes: Partial<Findings>): string => verdictOf({ ...good, ...changes }).verdict;
  test('is equal when content is equal and everything is accounted for', () => {
    const found = verdictOf(good);
    assert.deepEqual(
      [found.verdict, found.regions, found.rows, found.received, found.conflicts],
      ['equal', 2, 7, 10, 4],
    );
    assert.equal(verdict({ delivered: 9 }), 'equal');
  });
  test('is diverged when content differs, records are lost, sums are wrong or keys are unsettled', () => {
    assert.equal(verdict({ comparison: { ...good.comparison, equal: false, differences: ['x'] } }), 'diverged');
    assert.equal(verdict({ delivered: 11 }), 'diverged');
    assert.equal(verdict({ accounts: [{ tally: { ...tally, applied: 4 }, parked: {}, unsettled: 0 }] }), 'diverged');
    assert.equal(verdict({ accounts: good.accounts.map((account) => ({ ...account, unsettled: 1 })) }), 'diverged');
  });
});
