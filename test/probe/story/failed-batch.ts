import { factOf } from '../facts.ts';
import { until } from '../wait.ts';
import { tick } from '../writes.ts';
import { type Probe, type Step, untilEqual } from './probe.ts';

/** Ten retries, further and further apart. */
const GIVEN_UP_WITHIN_MS = 45 * 60_000;
const DRAINED_WITHIN_MS = 30 * 60_000;

const setLogin = async ({ cloud, regions }: Probe, may: 'login' | 'nologin'): Promise<void> => {
  for (const { sql } of regions) {
    await cloud.sql(sql, `alter role concord_apply ${may}`);
    if (may === 'nologin')
      await cloud.sql(
        sql,
        `select count(pg_terminate_backend(pid))::text as n from pg_stat_activity where usename = 'concord_apply'`,
      );
  }
};

/** Apply may not sign in: in the first region a batch is retried for ever, in the second Lambda gives it up and it is fed in again. */
export const failedBatch: Step = {
  name: 'apply cannot sign in to either database for a while',
  proves: ['drained', 'retried'],
  run: async (probe) => {
    const [one, other] = probe.regions;
    const bucket = other.failedBucket;
    if (bucket === undefined) throw new Error(`${other.name} has no bucket for batches that are given up`);
    const batches = (): Promise<readonly string[]> => probe.cloud.objects(other.name, bucket);
    await setLogin(probe, 'nologin');
    let given: readonly string[] = [];
    try {
      // Not counted: what is given up is received by nobody, and fed in under another topic.
      await probe.cloud.sql(one.sql, tick(0, 1_000_001).sql);
      await probe.cloud.sql(other.sql, tick(1, 1_000_001).sql);
      given = await until(probe, `a batch lies in ${bucket}`, GIVEN_UP_WITHIN_MS, async () => {
        const keys = await batches();
        return keys.length > 0 ? keys : undefined;
      });
    } finally {
      await setLogin(probe, 'login');
    }
    await untilEqual(probe, DRAINED_WITHIN_MS);
    await until(probe, `${bucket} is empty again`, DRAINED_WITHIN_MS, async () =>
      (await batches()).length === 0 ? true : undefined,
    );
    return [
      factOf('retried', [], `${one.name} went on by itself once apply could sign in`),
      factOf('drained', [], `${given.length} objects, the first ${given[0] ?? ''}, are in`),
    ];
  },
};
