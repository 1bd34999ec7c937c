import { randomUUID } from 'node:crypto';
import type { Report, RunInput, Topology } from '@concord/events';
import type { RunOptions } from '../../functions/reconcile/run.ts';
import type { Region } from '../region/database.ts';
import { connectRegions } from './regions.ts';
import { reconcileHere } from './run.ts';
import { memoryStore } from './store.ts';

/** Runs a reconciliation of regions on this machine, and resolves to its report. What `recent` begins with is remembered. */
export type Reconcile = (input?: RunInput, options?: Pick<RunOptions, 'onProgress' | 'waitMs'>) => Promise<Report>;

export type Reconcilable = {
  readonly all: readonly Region[];
  readonly topology: () => Topology;
  readonly onWarning: (message: string) => void;
};

export function reconciler({ all, topology, onWarning }: Reconcilable): Reconcile {
  const store = memoryStore();
  return async (input = {}, options = {}) => {
    const urls = new Map(
      all.map(({ name, url }) => [name, { url: url('concord_operator'), applyUrl: url('concord_apply') }]),
    );
    const regions = connectRegions({ topology: topology(), urls, onWarning });
    try {
      return await reconcileHere({
        ...{ topology: topology(), regions, store, run: randomUUID(), input, onWarning },
        ...options,
      });
    } finally {
      await regions.close();
    }
  };
}
