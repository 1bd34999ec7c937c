import type { Cluster } from '../../local/postgres/cluster.ts';
import { type Pgbouncer, startPgbouncer } from './pgbouncer.ts';

/** Set for a run of a test file in which apply reaches its databases through pgbouncer in transaction mode. */
export const POOLED = 'CONCORD_TEST_POOLED';
export const isPooled = process.env[POOLED] !== undefined;

/** Enough for every applier that a test holds in the middle of a transaction. */
const POOL_SIZE = 20;

const poolers = new Map<Cluster, Promise<Pgbouncer>>();

export function poolerOf(cluster: Cluster): Promise<Pgbouncer> {
  const pooler = poolers.get(cluster) ?? startPgbouncer(cluster, POOL_SIZE);
  poolers.set(cluster, pooler);
  return pooler;
}

export async function stopPooler(cluster: Cluster): Promise<void> {
  const pooler = poolers.get(cluster);
  poolers.delete(cluster);
  await (await pooler)?.stop();
}
