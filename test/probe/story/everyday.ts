import { factOf } from '../facts.ts';
import { everydayWrites } from '../writes.ts';
import { type Step, untilEqual, write } from './probe.ts';

/** Both regions write, each its own rows. */
export const everyday: Step = {
  name: 'both regions write',
  proves: ['everyday'],
  run: async (probe) => {
    const [one, other] = probe.regions;
    for (const next of everydayWrites(0)) await write(probe, one, next);
    for (const next of everydayWrites(1)) await write(probe, other, next);
    const lines = await untilEqual(probe);
    return [factOf('everyday', [], `${lines} rows and tombstones are equal`)];
  },
};
