import type { Report, RunInput, Topology } from '@concord/events';
import type { Context, Regions, RunStore } from '../../functions/reconcile/context.ts';
import { type RunOptions, runReconciliation } from '../../functions/reconcile/run.ts';
import { names, type Plan, readStored } from '../../functions/reconcile/stored.ts';
import { watchedRegions, watchedStore } from './watched.ts';

export type RunHere = Omit<RunOptions, 'signal'> & {
  readonly topology: Topology;
  readonly regions: Regions;
  readonly store: RunStore;
  readonly run: string;
  readonly input: RunInput;
  /** Once it came the run stands still: it neither resolves nor rejects, and can be gone on with. */
  readonly signal?: AbortSignal | undefined;
};

/** What a run's stages work with in this process. */
export const contextOf = ({ topology, regions, store, signal }: RunHere): Context => ({
  topology,
  regions: watchedRegions(regions, signal),
  store: watchedStore(store, signal),
  now: () => Date.now() * 1000,
});

/** All stages of a run, in this process. */
export const reconcileHere = (options: RunHere): Promise<Report> => {
  const { topology, regions, store, run, input, signal, ...rest } = options;
  return runReconciliation(contextOf(options), { run, input }, rest);
};

/** With what a run was begun; undefined when the store has no such run. */
export async function storedInput(store: RunStore, run: string): Promise<RunInput | undefined> {
  return (await readStored<Plan>(store, names.plan(run)))?.input;
}
