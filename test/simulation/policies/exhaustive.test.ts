import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explore } from './explore.ts';
import type { Op } from './history.ts';
import { RULES, type RuleName } from './rules.ts';

type Case = {
  readonly rule: RuleName;
  readonly regions: number;
  readonly writes: number;
  readonly ops: readonly Op[];
  readonly batches?: boolean;
  readonly bonus?: readonly number[];
  /** How many states there are at least: fewer would mean that something is no longer explored. */
  readonly least: number;
};

const CASES: readonly Case[] = [
  { rule: 'counters', regions: 2, writes: 4, ops: ['insert', 'a', 'n', 'delete'], least: 50_000 },
  { rule: 'counters', regions: 3, writes: 3, ops: ['insert', 'a', 'n', 'delete'], batches: false, least: 50_000 },
  { rule: 'merge', regions: 2, writes: 3, ops: ['insert', 'a', 'b', 'ab', 'delete'], least: 3_000 },
  { rule: 'grouped', regions: 2, writes: 3, ops: ['insert', 'a', 'b', 'an', 'delete'], least: 3_000 },
  { rule: 'stock', regions: 2, writes: 4, ops: ['insert', 'an', 'delete'], least: 20_000 },
  { rule: 'wins', regions: 3, writes: 3, ops: ['insert', 'a', 'delete'], batches: false, least: 30_000 },
  { rule: 'lww', regions: 3, writes: 3, ops: ['insert', 'a'], bonus: [0, 2, 4], least: 10_000 },
];

describe("every interleaving, by the table's own rule,", () => {
  for (const { rule, regions, writes, ops, batches = true, bonus, least } of CASES)
    test(`of ${writes} writes in ${regions} regions: ${rule}${bonus ? ' with a bonus' : ''}: converges, counts and loses nothing`, (t) => {
      const bounds = { regions, writes, rule: RULES[rule], ops, batches, ...(bonus && { bonus }) };
      const { states, quiet, complete, violation } = explore(bounds, 1_000_000);
      t.diagnostic(`${states} states, ${quiet} of them quiet`);
      assert.equal(violation && `${violation.message}\n${violation.path.join('\n')}`, undefined);
      assert.ok(complete && states > least && quiet > 100);
    });
});
