import type { KafkaEvent } from '@concord/events';
import { connect, type Sql } from '@concord/runtime';
import { type Apply, createApply } from '../../../functions/apply/apply.ts';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { collectGarbage } from '../garbage.ts';
import { benchTopology, withDatabase } from '../users-table.ts';
import { requireWritten } from './content.ts';
import type { Contestant } from './contestant.ts';
import { type Body, conflictRows, type EventsOptions, sourceEvents } from './events.ts';

export type OursOptions = {
  readonly name: string;
  readonly database: string;
  readonly events: EventsOptions;
  /** Prepared statements or unnamed ones. */
  readonly prepare: boolean;
};

type Counts = { received: number; parked: number; conflicts: number };

/**
 * The real apply function, one for each partition, at the same time in this process. Its queue are the payloads of invocations,
 * as Lambda hands them over.
 */
export function createOurs(cluster: Cluster, options: OursOptions): Contestant {
  const { name, database, prepare, events } = options;
  const seen: Counts = { received: 0, parked: 0, conflicts: 0 };
  const expected: Counts = { received: 0, parked: 0, conflicts: 0 };
  const appliers = Array.from({ length: events.partitions ?? 1 }, () => {
    const sql = connect({ url: cluster.url(database, 'concord_apply'), prepare });
    return { sql, apply: applyInto(sql, seen) };
  });
  const source = sourceEvents(events);
  const wide = events.mix?.wide ?? false;
  let bodies: readonly Body[] = [];
  let queued: KafkaEvent[][] = [];
  return {
    name,
    database,
    async queue() {
      if (wide && bodies.length === 0) bodies = await withDatabase(cluster, database, readBodies);
      expected.conflicts += await writeHere(cluster, database, events);
      queued = source.next(bodies);
      expected.received += events.changes;
      return events.changes;
    },
    async apply(meter) {
      collectGarbage();
      meter.begin({ target: await Promise.all(appliers.map(({ sql }) => pidOf(sql))), source: [] });
      const start = performance.now();
      await Promise.all(
        appliers.map(async ({ apply }, partition) => {
          for (const event of queued[partition] ?? []) await apply(event);
        }),
      );
      const seconds = (performance.now() - start) / 1000;
      meter.end();
      if (JSON.stringify(seen) !== JSON.stringify(expected))
        throw new Error(`${name}: expected ${JSON.stringify(expected)}, counted ${JSON.stringify(seen)}`);
      return seconds;
    },
    async close() {
      await withDatabase(cluster, database, (sql) =>
        requireWritten(name, sql, source.written, { count: source.count(), wide }),
      );
      await Promise.all(appliers.map(({ sql }) => sql.end()));
    },
  };
}

const applyInto = (sql: Sql, seen: Counts): Apply =>
  createApply({
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

async function pidOf(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ pid: number }[]>('select pg_backend_pid() as pid');
  return row?.pid ?? Number.NaN;
}

const readBodies = async (sql: Sql): Promise<Body[]> =>
  sql.unsafe<Body[]>('select small, large from bodies order by n');

/** The measured region writes the conflict rows itself, so that what comes in for them is concurrent. Returns how many. */
async function writeHere(cluster: Cluster, database: string, options: EventsOptions): Promise<number> {
  const { every, count } = conflictRows(options);
  const result = await withDatabase(cluster, database, (sql) =>
    sql.unsafe('update users set qty = qty + 1 where id % $1::bigint = 0 and id <= $2::bigint', [every, every * count]),
  );
  return result.count;
}
