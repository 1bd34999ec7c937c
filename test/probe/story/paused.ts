import { setTimeout as delay } from 'node:timers/promises';
import { factOf } from '../facts.ts';
import type { ProbedRegion } from '../region.ts';
import { until } from '../wait.ts';
import { CONTESTED, contestedWrite } from '../writes.ts';
import { accountsOf, type Probe, type Step, untilEqual, write } from './probe.ts';

const SWITCHED_WITHIN_MS = 10 * 60_000;
/** Longer than a change takes when nothing is switched off, heartbeats included: three quarters of a minute. */
const QUIET_POLLS = 9;

async function switchMappings(probe: Probe, enabled: boolean): Promise<void> {
  const all = probe.regions.flatMap(({ name, mappings }) => mappings.map(({ physicalId }) => ({ name, physicalId })));
  for (const { name, physicalId } of all) await probe.cloud.enableMapping(name, physicalId, enabled);
  const wanted = enabled ? 'Enabled' : 'Disabled';
  for (const { name, physicalId } of all)
    await until(probe, `the mapping of ${name} is ${wanted}`, SWITCHED_WITHIN_MS, async () =>
      (await probe.cloud.mapping(name, physicalId)).state === wanted ? true : undefined,
    );
}

const offsets = async (probe: Probe, region: ProbedRegion): Promise<string> =>
  JSON.stringify((await accountsOf(probe, region)).map(({ partition, nextOffset }) => [partition, nextOffset]));

/** While nothing is applied both regions change the same rows. */
export const paused: Step = {
  name: 'mappings are disabled, both regions change the same rows, mappings are enabled',
  proves: ['paused'],
  run: async (probe) => {
    const [one, other] = probe.regions;
    await switchMappings(probe, false);
    const before = await offsets(probe, other);
    await write(probe, one, contestedWrite(0));
    await write(probe, other, contestedWrite(1));
    const quietMs = QUIET_POLLS * probe.pollMs;
    await delay(quietMs, undefined, { signal: probe.signal });
    const moved = (await offsets(probe, other)) !== before;
    await switchMappings(probe, true);
    await untilEqual(probe);
    const conflicts = await conflictsOf(probe);
    return [
      factOf(
        'paused',
        [
          ...(moved ? [`${other.name} applied records while its mapping was disabled`] : []),
          ...(conflicts < CONTESTED.length ? [`${conflicts} conflicts are logged, not ${CONTESTED.length}`] : []),
        ],
        `nothing moved for ${quietMs / 1000} s, then all did; ${conflicts} conflicts logged`,
      ),
    ];
  },
};

/** Each is logged where the loser is seen, in one region or in both, under the same id. */
async function conflictsOf({ cloud, regions }: Probe): Promise<number> {
  const ids = new Set<string | null>();
  for (const { sql } of regions)
    for (const { id } of await cloud.sql(sql, `select id from concord.conflict where table_name = 'public.products'`))
      ids.add(id ?? null);
  return ids.size;
}
