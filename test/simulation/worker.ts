import { parentPort } from 'node:worker_threads';
import { type Answer, addCounts, type Found, seedOf, type Task } from './simulate.ts';
import { SUITES, type Tally } from './suites.ts';

function work({ suite, seed, from, count }: Task): Answer {
  let counts: Tally = {};
  for (let schedule = from; schedule < from + count; schedule++) {
    const result = SUITES[suite].run(seedOf(seed, schedule));
    counts = addCounts(counts, result.counts);
    const found: Found | undefined = result.failure && { schedule, failure: result.failure };
    if (found !== undefined) return { done: schedule - from + 1, counts, found };
  }
  return { done: count, counts, found: undefined };
}

parentPort?.on('message', (task: Task) => parentPort?.postMessage(work(task)));
