import fc from 'fast-check';
import { give } from './deliver.ts';
import type { Held, Op } from './history.ts';
import type { Joins } from './joins.ts';
import { RULES, type RuleName } from './rules.ts';
import { committedOf, newWorld, type Region } from './world.ts';
import { writeHere } from './write.ts';

/** States of one row that three regions really reach, and how they are joined there. */
export type Reached = { readonly states: readonly [Held, ...Held[]]; readonly join: Joins['join'] };

type Draft = {
  readonly region: number;
  readonly rule: RuleName;
  readonly op: Op;
  readonly clock: number;
  readonly given: number | undefined;
};

/** Each write by any of the rules: more than one is what there is while a policy is being changed. */
export const reached = (rules: readonly RuleName[], maxLength = 10): fc.Arbitrary<Reached> =>
  fc
    .tuple(
      fc.boolean(),
      fc.array(
        fc.record({
          region: fc.nat(2),
          rule: fc.constantFrom(...rules),
          op: fc.constantFrom<Op[]>('insert', 'a', 'b', 'ab', 'n', 'an', 'delete'),
          clock: fc.integer({ min: 1, max: 12 }),
          given: fc.option(fc.nat(), { nil: undefined }),
        }),
        { minLength: 1, maxLength },
      ),
    )
    .map(([bottom, drafts]) => statesOf(bottom, drafts));

function statesOf(bottom: boolean, drafts: readonly Draft[]): Reached {
  const world = newWorld({
    seed: 0,
    regions: 3,
    from: 'merge',
    to: 'merge',
    rash: false,
    bonus: [],
    bottom,
    steps: [],
  });
  const states = new Set<Held>();
  for (const { region: index, rule, op, clock, given } of drafts) {
    const region = world.regions[index] as Region;
    region.rule = RULES[rule];
    writeHere(world, region, { do: 'write', region: index, op, clock, touched: false });
    const all = committedOf(world);
    const other = given === undefined ? undefined : all[given % all.length];
    if (other !== undefined) give(world, region, [other]);
    for (const { slot } of world.regions)
      for (const held of [slot.row, slot.tombstone]) if (held !== undefined) states.add(held);
  }
  for (const { held } of committedOf(world)) states.add(held);
  // A delete of nothing does nothing: there may be no state at all.
  if (states.size === 0)
    writeHere(world, world.regions[0] as Region, { do: 'write', region: 0, op: 'insert', clock: 1, touched: false });
  for (const { held } of world.history) states.add(held);
  return { states: [...states] as [Held, ...Held[]], join: world.joins.join };
}
