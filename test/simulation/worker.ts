import { parentPort } from 'node:worker_threads';
import { run } from './run.ts';
import { scheduleOf } from './schedule.ts';
import { type Answer, addCounts, type Found, seedOf, type Task } from './simulate.ts';
import { noCounts } from './world.ts';

function work({ seed, from, count }: Task): Answer {
  let counts = noCounts();
  for (let schedule = from; schedule < from + count; schedule++) {
    const result = run(scheduleOf(seedOf(seed, schedule)));
    counts = addCounts(counts, result.counts);
    const found: Found | undefined = result.failure && { schedule, failure: result.failure };
    if (found !== undefined) return { done: schedule - from + 1, counts, found };
  }
  return { done: count, counts, found: undefined };
}

parentPort?.on('message', (task: Task) => parentPort?.postMessage(work(task)));
