import { factOf } from '../facts.ts';
import type { ProbedRegion } from '../region.ts';
import { until } from '../wait.ts';
import { tick } from '../writes.ts';
import { type Probe, type Step, untilEqual, write } from './probe.ts';

const ROTATED_WITHIN_MS = 15 * 60_000;

/** So nobody goes on under the old password. */
const endSessions = (role: string): string =>
  `select count(pg_terminate_backend(pid))::text as n from pg_stat_activity where usename = '${role}'`;

type Login = { readonly region: ProbedRegion; readonly role: string; readonly secretArn: string };

/** Rotates one password while `writeOne` goes on, and ends the role's sessions. */
async function rotate(
  probe: Probe,
  { region, role, secretArn }: Login,
  writeOne: () => Promise<void>,
): Promise<string> {
  const before = await probe.cloud.secretVersion(region.name, secretArn);
  await probe.cloud.rotate(region.name, secretArn);
  await until(probe, `another password of ${role} holds in ${region.name}`, ROTATED_WITHIN_MS, async () => {
    await writeOne();
    return (await probe.cloud.secretVersion(region.name, secretArn)) === before ? undefined : true;
  });
  const [ended] = await probe.cloud.sql(region.sql, endSessions(role));
  await writeOne();
  await untilEqual(probe);
  return `${role}: ${ended?.n ?? 0} sessions ended`;
}

/** The passwords of the role that writes in the one region, and of the one that reads in the other, change while changes travel. */
export const rotation: Step = {
  name: 'the passwords of capture and apply are rotated while changes travel',
  proves: ['rotation'],
  run: async (probe) => {
    const [one, other] = probe.regions;
    let writes = 0;
    const writeOne = (): Promise<void> => write(probe, one, tick(0, ++writes));
    const seen = [
      await rotate(probe, { region: other, role: 'concord_apply', secretArn: other.applySecretArn }, writeOne),
      await rotate(probe, { region: one, role: 'concord_capture', secretArn: one.captureSecretArn }, writeOne),
    ];
    return [factOf('rotation', [], `${writes} writes meanwhile, all arrived; ${seen.join(', ')}`)];
  },
};
