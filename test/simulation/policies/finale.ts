import { type Random, randomFrom } from '../random.ts';
import { Violation } from '../violation.ts';
import { give, settle, upgrade } from './deliver.ts';
import type { Held, Write } from './history.ts';
import { checkCoverage } from './losses.ts';
import { stateOf } from './slot.ts';
import { committedOf, type Region, type World } from './world.ts';
import { end } from './write.ts';

/** After the last step: everything to everyone in any order, checks, everything once more, checks. */
export function finish(world: World, seed: number): void {
  const random = randomFrom(~seed);
  for (const region of world.regions) {
    upgrade(world, region);
    end(world, region, { do: 'commit', clock: 0, touched: false });
  }
  const committed = committedOf(world);
  const [first, ...rest] = committed.map(({ held }) => held);
  if (first === undefined) return;
  const joined = rest.reduce((a, b) => world.joins.join(a, b).held, first);
  for (const region of world.regions) {
    const isNew = ({ id }: Write): boolean => ((region.given >> id) & 1) === 0;
    giveAll(world, region, [...committed.filter(isNew), ...committed.filter(() => random.chance(0.1))], random);
  }
  checkQuiescence(world, committed, joined);
  const before = world.regions.map(({ slot }) => slot);
  for (const region of world.regions) giveAll(world, region, committed, random);
  if (world.regions.some(({ slot }, index) => slot !== before[index]))
    throw new Violation('I4', 'the replay of everything changes a region');
}

function giveAll(world: World, region: Region, writes: readonly Write[], random: Random): void {
  const rest = random.shuffled(writes);
  while (rest.length > 0) give(world, region, rest.splice(0, random.between(1, 4)));
  settle(world, region);
}

/** I1, I2, I6, I7, I11. */
function checkQuiescence({ regions, history, logged }: World, committed: readonly Write[], joined: Held): void {
  for (const { name, slot } of regions) {
    const state = stateOf(slot);
    if (state !== joined)
      throw new Violation(
        'I2',
        `${name} ends with ${state?.name}, the join of all ${committed.length} is ${joined.name}`,
      );
    if (joined.version.kind === 'tombstone' && slot.row !== undefined)
      throw new Violation('I7', `${name} keeps a dead row`);
  }
  checkCoverage(history, joined, logged);
}
