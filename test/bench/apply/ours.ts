import type { KafkaEvent } from '@concord/events';
import { connect } from '@concord/runtime';
import { createApply } from '../../../functions/apply/apply.ts';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { benchTopology, withDatabase } from '../users-table.ts';
import type { Contestant } from './contestant.ts';
import { conflictRows, type EventsOptions, SourceEvents } from './events.ts';

export type OursOptions = {
  readonly name: string;
  readonly database: string;
  readonly events: EventsOptions;
  /** Prepared statements or unnamed ones. */
  readonly prepare: boolean;
};

/** The real apply function on one partition. Its queue are the payloads of invocations, as Lambda hands them over. */
export function createOurs(cluster: Cluster, options: OursOptions): Contestant {
  const { name, database, prepare } = options;
  const sql = connect({ url: cluster.url(database, 'concord_apply'), prepare });
  const seen = { received: 0, parked: 0, conflicts: 0 };
  const apply = createApply({
    sql,
    topology: benchTopology(),
    now: () => Date.now() * 1000,
    onBatch: (tally) => {
      seen.received += tally.received;
      seen.parked += tally.parked;
      seen.conflicts += tally.conflicts;
    },
    onWarning: (message, error) => {
      throw new Error(message, { cause: error });
    },
  });
  const events = new SourceEvents(options.events);
  const expected = { received: 0, parked: 0, conflicts: 0 };
  let queued: KafkaEvent[] = [];
  return {
    name,
    database,
    async queue() {
      expected.conflicts += await writeHere(cluster, database, options.events);
      queued = events.next();
      expected.received += options.events.changes;
      return options.events.changes;
    },
    async apply() {
      const start = performance.now();
      for (const event of queued) await apply(event);
      const seconds = (performance.now() - start) / 1000;
      if (JSON.stringify(seen) !== JSON.stringify(expected))
        throw new Error(`${name}: expected ${JSON.stringify(expected)}, counted ${JSON.stringify(seen)}`);
      return seconds;
    },
    close: () => sql.end(),
  };
}

/** The measured region writes the conflict rows itself, so that what comes in for them is concurrent. Returns how many. */
async function writeHere(cluster: Cluster, database: string, options: EventsOptions): Promise<number> {
  const { every, count } = conflictRows(options);
  const result = await withDatabase(cluster, database, (sql) =>
    sql.unsafe('update users set qty = qty + 1 where id % $1::bigint = 0 and id <= $2::bigint', [every, every * count]),
  );
  return result.count;
}
