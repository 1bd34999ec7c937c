import { Worker } from 'node:worker_threads';
import { mixed } from './random.ts';
import type { Failure, SuiteName, Tally } from './suites.ts';

export type Simulation = {
  /** `tables` unless said otherwise. */
  readonly suite?: SuiteName;
  /** Of the whole run; schedule n has the seed `seedOf(seed, n)`. */
  readonly seed: number;
  /** Number of the first schedule. */
  readonly from: number;
  readonly schedules: number;
  readonly workers: number;
  readonly onProgress?: (done: number) => void;
};

export type Found = { readonly schedule: number; readonly failure: Failure };
export type Outcome = { readonly done: number; readonly counts: Tally; readonly found: Found | undefined };

/** Schedules `from` … `from + count − 1`, run in a worker. */
export type Task = { readonly suite: SuiteName; readonly seed: number; readonly from: number; readonly count: number };
export type Answer = { readonly done: number; readonly counts: Tally; readonly found: Found | undefined };

const TASK_SIZE = 500;

export const seedOf = (seed: number, schedule: number): number => mixed(seed, schedule);

export function addCounts(a: Tally, b: Tally): Tally {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

function* tasksOf({ suite = 'tables', seed, from, schedules }: Simulation): Generator<Task> {
  for (let at = 0; at < schedules; at += TASK_SIZE)
    yield { suite, seed, from: from + at, count: Math.min(TASK_SIZE, schedules - at) };
}

/** Runs schedules in workers until all are done or one violates an invariant. Of several, the first schedule is found. */
export async function simulate(simulation: Simulation): Promise<Outcome> {
  const tasks = tasksOf(simulation);
  let outcome: Outcome = { done: 0, counts: {}, found: undefined };
  const add = ({ done, counts, found }: Answer): void => {
    const first = found !== undefined && found.schedule < (outcome.found?.schedule ?? Number.POSITIVE_INFINITY);
    outcome = {
      done: outcome.done + done,
      counts: addCounts(outcome.counts, counts),
      found: first ? found : outcome.found,
    };
    simulation.onProgress?.(outcome.done);
  };
  const next = (): Task | undefined => (outcome.found === undefined ? tasks.next().value : undefined) ?? undefined;
  await Promise.all(Array.from({ length: simulation.workers }, () => drive(next, add)));
  return outcome;
}

/** One worker: gives it tasks until there are none left. */
function drive(next: () => Task | undefined, add: (answer: Answer) => void): Promise<void> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url));
  const give = (): void => {
    const task = next();
    if (task === undefined) void worker.terminate();
    else worker.postMessage(task);
  };
  return new Promise((resolve, reject) => {
    worker.on('message', (answer: Answer) => {
      add(answer);
      give();
    });
    worker.once('error', reject);
    worker.once('exit', () => resolve());
    give();
  });
}
