import type { Report, RunInput } from '@concord/events';
import type { Context, RunStore } from '../../functions/reconcile/context.ts';
import { type RunOptions, runReconciliation } from '../../functions/reconcile/run.ts';
import { type ConnectedRegions, connectRegions } from '../../local/reconcile/regions.ts';
import { memoryStore } from '../../local/reconcile/store.ts';
import { closeAll } from './beats.ts';
import type { Region } from './regions.ts';

/** All regions of a test, reached through connections of this process as the hub reaches them. */
export type Reconciling = {
  readonly regions: ConnectedRegions;
  readonly store: RunStore;
  readonly context: Context;
  /** Announces all that was written, has every region hear it, and runs all stages. */
  readonly run: (input?: RunInput, options?: RunOptions & { readonly run?: string }) => Promise<Report>;
};

let runs = 0;

export function reconciling(all: readonly Region[]): Reconciling {
  const [first] = all;
  if (first === undefined) throw new Error('no region');
  const { topology } = first;
  const urls = new Map(
    all.map(({ name, database }) => [
      name,
      { url: database.url('concord_operator'), applyUrl: database.url('concord_apply') },
    ]),
  );
  const regions = connectRegions({
    ...{ topology, urls },
    onWarning: (message) => {
      throw new Error(message);
    },
  });
  const store = memoryStore();
  const context: Context = { topology, regions, store, now: () => Date.now() * 1000 };
  return {
    ...{ regions, store, context },
    run: async (input = {}, { run = `run-${++runs}`, ...options } = {}) => {
      await hearAll(all);
      return runReconciliation(context, { run, input }, { waitMs: 0, ...options });
    },
  };
}

/**
 * Every region announces up to when its writes have committed, and all others have heard it on every partition; offsets that a test
 * has passed over are forgotten.
 */
export async function hearAll(regions: readonly Region[]): Promise<void> {
  for (const from of regions) {
    const closedUs = await closeAll(from.sql);
    for (const to of regions)
      if (to !== from)
        await to.sql.unsafe(
          `insert into concord.watermark (topic, partition, closed_at)
           select $1::text, p, timestamptz 'epoch' + $2::text::int8 * interval '1 microsecond' from generate_series(0, $3::text::int - 1) p
           on conflict (topic, partition) do update set closed_at = excluded.closed_at, delivered = '{}', gap_closed_at = null`,
          [`cdc.${from.name}`, String(closedUs), String(to.topology.topics.partitions)],
        );
  }
}
