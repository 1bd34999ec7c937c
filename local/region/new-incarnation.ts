import type { Topology } from '@concord/events';
import { mergeGreatestIds, raiseSequences, readGreatestIds } from '../../functions/enroll/sequences.ts';
import { beginIncarnation, type Incarnation, suspend } from '../../functions/lifecycle/incarnation.ts';
import { mergeKnown, readKnown } from '../../functions/lifecycle/known.ts';
import { withConnection } from './connection.ts';

export type NewIncarnationOptions = {
  readonly topology: Topology;
  readonly region: string;
  /** URLs of its database, and of those of all other regions. */
  readonly url: string;
  readonly others: readonly string[];
};

/**
 * Asks all other regions what they know of one whose database is an earlier state of itself, and begins its new incarnation above that:
 * stamps and ids. Can be run again until writes are taken again.
 */
export async function newIncarnation({ topology, region, url, others }: NewIncarnationOptions): Promise<Incarnation> {
  const slot = topology.regions.find(({ name }) => name === region)?.slot;
  if (slot === undefined) throw new Error(`region '${region}' is not in the topology`);
  const tables = topology.tables.map(({ name }) => name);
  const everywhere = [url, ...others];
  await withConnection(url, (sql) => suspend(sql, 'its new incarnation is about to begin'));
  const known = await Promise.all(
    everywhere.map((one) => withConnection(one, (sql) => readKnown(sql, tables, region))),
  );
  const ids = await Promise.all(everywhere.map((one) => withConnection(one, (sql) => readGreatestIds(sql, tables))));
  return withConnection(url, async (sql) => {
    const begun = await beginIncarnation(sql, mergeKnown(known));
    await raiseSequences(sql, tables, mergeGreatestIds(ids), { slot, stride: topology.limits.maxRegions });
    // Until the first heartbeat of the new incarnation nobody knows up to when its writes have committed.
    await sql`select concord.beat()`;
    return begun;
  });
}
