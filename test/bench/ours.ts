import type { KafkaEvent } from '@concord/events';
import { connect } from '@concord/runtime';
import { createApply } from '../../functions/apply/apply.ts';
import type { Cluster } from '../../local/postgres/cluster.ts';
import type { Contestant } from './contestant.ts';
import { CONFLICT_EVERY, SourceEvents } from './events.ts';
import { benchTopology, withDatabase } from './users-table.ts';

export type OursOptions = {
  readonly name: string;
  readonly database: string;
  readonly rows: number;
  readonly firstStamp: number;
  /** Prepared statements or unnamed ones. */
  readonly prepare: boolean;
  readonly conflicts?: boolean;
};

/** The real apply function on one partition. Its queue are the payloads of invocations, as Lambda hands them over. */
export function createOurs(cluster: Cluster, options: OursOptions): Contestant {
  const { name, database, rows, prepare, conflicts = false } = options;
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
  const events = new SourceEvents({ rows, firstStamp: options.firstStamp, conflicts });
  const expected = { received: 0, parked: 0, conflicts: 0 };
  let queued: KafkaEvent[] = [];
  return {
    name,
    database,
    async queue() {
      if (conflicts) expected.conflicts += await writeHere(cluster, database, rows);
      queued = events.next(rows);
      expected.received += rows;
      return rows;
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

/** The measured region writes the conflict rows itself, so that what comes in for them is concurrent. */
async function writeHere(cluster: Cluster, database: string, rows: number): Promise<number> {
  const result = await withDatabase(cluster, database, (sql) =>
    sql.unsafe(`update users set qty = qty + 1 where id <= $1::bigint and id % ${CONFLICT_EVERY} = 0`, [rows]),
  );
  return result.count;
}
