import { settle } from './apply.ts';
import { poll, repair, replay, resume, retryParked } from './delivery.ts';
import { finish } from './finale.ts';
import type { Region } from './region.ts';
import type { Schedule, Step, Trouble } from './schedule.ts';
import { Violation } from './violation.ts';
import { type Counts, newWorld, type World } from './world.ts';
import { beginInsert, endInsert, republish, writeHere } from './write.ts';

export type Failure = { readonly invariant: string; readonly message: string };
export type Result = { readonly failure: Failure | undefined; readonly counts: Counts };

/** Runs a schedule to quiescence and beyond. A bug of the core may also show as any other throw. */
export function run(schedule: Schedule, note?: (line: string) => void): Result {
  const world = newWorld(schedule, note);
  try {
    for (const step of schedule.steps) take(world, step);
    finish(world, schedule.seed);
    return { failure: undefined, counts: world.counts };
  } catch (error) {
    const invariant = error instanceof Violation ? error.invariant : 'throw';
    const message = error instanceof Violation ? error.message : String((error as Error).stack);
    note?.(`${invariant} VIOLATED: ${message}`);
    return { failure: { invariant, message }, counts: world.counts };
  }
}

function take(world: World, step: Step): void {
  const region = world.regions[step.region] as Region;
  switch (step.do) {
    case 'put':
    case 'delete':
      writeHere(world, region, step.key, step.do === 'put' ? 'row' : 'tombstone', step.clock);
      break;
    case 'begin':
      beginInsert(world, region, step.key, step.clock);
      break;
    case 'commit':
    case 'rollback':
      endInsert(world, region, step.key, step.do);
      break;
    case 'poll':
      poll(world, region, step);
      break;
    case 'replay':
      replay(world, region, step.picks);
      break;
    case 'repair':
      repair(world, region, step.writes);
      break;
    default:
      trouble(world, region, step);
  }
}

function trouble(world: World, region: Region, step: Trouble): void {
  switch (step.do) {
    case 'republish':
      republish(world, region, step.last);
      break;
    case 'settle':
      settle(world, region);
      break;
    case 'retry':
      retryParked(world, region);
      break;
    case 'resume':
      resume(world, region);
      break;
    case 'cut':
    case 'heal':
      setCut(world, region, step.do === 'cut');
      break;
  }
}

function setCut({ note }: World, region: Region, cut: boolean): void {
  if (region.cut !== cut) note?.(`${region.name} is ${cut ? 'cut off' : 'back'}`);
  region.cut = cut;
}
