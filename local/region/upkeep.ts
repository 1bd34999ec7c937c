import type { Topology } from '@concord/events';
import { connect, type Sql } from '@concord/runtime';
import { Applier } from '../../functions/apply/applier.ts';
import type { Region } from './database.ts';

/** What AWS does every minute: settle, and try parked records again. Here more often, since somebody is waiting. */
export type Upkeep = {
  /** One pass now; what is left afterwards. */
  readonly pass: () => Promise<Leftovers>;
  readonly stop: () => Promise<void>;
};

export type Leftovers = {
  /** Deleted keys that a local insert in flight may not have seen. */
  readonly unsettled: number;
  /** Parked records that are tried again within the next five seconds. */
  readonly retrying: number;
};

const INTERVAL_MS = 500;

const LEFTOVERS = /* sql */ `
select (select count(*) from concord.unsettled)::int as unsettled,
  (select count(*) from concord.parked where retry_at < now() + interval '5 seconds')::int as retrying`;

export function startUpkeep(region: Region, topology: Topology, onWarning: (message: string) => void): Upkeep {
  const sql: Sql = connect({ url: region.url('concord_apply'), prepare: true, applicationName: 'concord upkeep' });
  const warn = (message: string, error: unknown): void =>
    onWarning(`${region.name}: ${message}: ${(error as Error).message}`);
  const applier = new Applier({ sql, topology, now: () => Date.now() * 1000, onWarning: warn });
  let running: Promise<void> | undefined;
  let isStopped = false;
  const run = (): Promise<void> => {
    running ??= applier.afterBatch().finally(() => {
      running = undefined;
    });
    return running;
  };
  const timer = setInterval(() => void run(), INTERVAL_MS);
  return {
    pass: async () => {
      if (isStopped) throw new Error('the regions were stopped');
      await run();
      const [row] = await sql.unsafe<Leftovers[]>(LEFTOVERS);
      return row ?? { unsettled: 0, retrying: 0 };
    },
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await running;
      await sql.end({ timeout: 1 });
    },
  };
}
