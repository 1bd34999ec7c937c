import type { Regions, RunStore } from '../../functions/reconcile/context.ts';

/**
 * Regions that fall silent once the signal came. A request that failed instead would be taken for a region that cannot be read, and kept
 * as such in the run.
 */
export const watchedRegions = (regions: Regions, signal: AbortSignal | undefined): Regions => ({
  digest: (region, request) => unlessStopped(signal, () => regions.digest(region, request)),
  repair: (region, request) => unlessStopped(signal, () => regions.repair(region, request)),
});

/** A store that does the same. */
export const watchedStore = (store: RunStore, signal: AbortSignal | undefined): RunStore => ({
  read: (name) => unlessStopped(signal, () => store.read(name)),
  write: (name, value) => unlessStopped(signal, () => store.write(name, value)),
});

const never = <T>(): Promise<T> => new Promise(() => undefined);

function unlessStopped<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal?.aborted) return never();
  return work().then(
    (answer) => (signal?.aborted ? never<T>() : answer),
    (error) => (signal?.aborted ? never<T>() : Promise.reject(error)),
  );
}
