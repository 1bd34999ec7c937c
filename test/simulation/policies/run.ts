import type { Failure, Result } from '../suites.ts';
import { Violation } from '../violation.ts';
import { give, settle, upgrade } from './deliver.ts';
import { finish } from './finale.ts';
import type { Schedule, Step } from './schedule.ts';
import { committedOf, newWorld, type Region, type World } from './world.ts';
import { begin, end, writeHere } from './write.ts';

/** Runs a schedule to quiescence and beyond. A bug of the core may also show as any other throw. */
export function run(schedule: Schedule, note?: (line: string) => void): Result & { readonly parked: number } {
  const world = newWorld(schedule, note);
  let failure: Failure | undefined;
  try {
    for (const step of schedule.steps) take(world, step);
    finish(world, schedule.seed);
  } catch (error) {
    const invariant = error instanceof Violation ? error.invariant : 'throw';
    const message = error instanceof Violation ? error.message : String((error as Error).stack);
    note?.(`${invariant} VIOLATED: ${message}`);
    failure = { invariant, message };
  }
  return { failure, counts: world.counts, parked: world.everParked };
}

function take(world: World, step: Step): void {
  const region = world.regions[step.region] as Region;
  switch (step.do) {
    case 'write':
      writeHere(world, region, step);
      break;
    case 'begin':
      begin(world, region, step);
      break;
    case 'commit':
    case 'rollback':
      end(world, region, step);
      break;
    case 'give': {
      const all = committedOf(world);
      const picked = step.picks.flatMap((pick) => all[Math.floor(pick * all.length)] ?? []);
      give(world, region, picked, step.crash);
      break;
    }
    case 'settle':
      settle(world, region);
      break;
    case 'resolver':
      upgrade(world, region);
      break;
    case 'trigger':
      switchRule(world, region);
  }
}

/** All apply functions first, then triggers: nothing is made that somebody does not understand. */
function switchRule({ to, rash, regions, counts, note }: World, region: Region): void {
  const isSafe = !to.lattice || regions.every(({ resolves }) => resolves);
  if (region.rule === to || !(isSafe || rash)) return;
  region.rule = to;
  counts.switched += 1;
  note?.(`${region.name} writes by the new rule`);
}
