import type { Sql } from '@concord/runtime';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { copyDatabase, withDatabase } from '../users-table.ts';

/**
 * Copies a database of `createFilled` and takes Concord out of it: the same table with the same rows, without triggers,
 * publication and tombstones.
 */
export async function copyPlain(cluster: Cluster, from: string, to: string): Promise<void> {
  await copyDatabase(cluster, from, to);
  await withDatabase(cluster, to, async (sql) => {
    await sql.unsafe('drop publication concord');
    await sql.unsafe('drop schema concord, concord_public cascade');
    await sql.unsafe('alter table users replica identity default');
  });
}

/** Ids only grow, and the last change is an insert: who has the source's greatest one has been through all changes. */
export async function greatestId(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ id: string }[]>('select max(id)::text as id from users');
  return Number(row?.id);
}
