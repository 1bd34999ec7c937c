import type { Cluster } from '../../../local/postgres/cluster.ts';
import { withDatabase } from '../users-table.ts';

/** One way of applying changes to a table, measured repeatedly. */
export type Contestant = {
  readonly name: string;
  readonly database: string;
  /** Makes changes and leaves them waiting; not timed. Returns how many. */
  readonly queue: () => Promise<number>;
  /** Applies what is queued; seconds from the first to the last commit. */
  readonly apply: () => Promise<number>;
  readonly close: () => Promise<void>;
};

/** Rows per second, with dead rows gone and a checkpoint just done: both would otherwise hit one run and not the next. */
export async function measure(contestant: Contestant, target: Cluster): Promise<number> {
  const changes = await contestant.queue();
  await withDatabase(target, contestant.database, async (sql) => {
    await sql.unsafe('vacuum users');
    await sql.unsafe('checkpoint');
  });
  return changes / (await contestant.apply());
}
