import { type Activity, activityMeter } from '../region/activity.ts';
import type { Regions } from '../region.ts';
import type { Screen } from './screen/screen.ts';

const EVERY_MS = 500;
/** Longer than any machine needs for one batch: something is broken then. */
const STALLED_MS = 120_000;

export type ProgressDisplay = {
  /** Rejects when nothing has moved for two minutes; never resolves. */
  readonly stalled: Promise<never>;
  readonly stop: () => Promise<void>;
};

/** Shows the numbers twice a second, until it is stopped. */
export function showProgress(regions: Regions, screen: Screen): ProgressDisplay {
  const meter = activityMeter(regions);
  const { promise: stalled, reject } = Promise.withResolvers<never>();
  stalled.catch(() => undefined);
  let [moved, movedAtMs] = ['', performance.now()];
  let showing: Promise<void> = Promise.resolve();
  const show = async (): Promise<void> => {
    const { accounts: _, ...activity } = await meter();
    screen.show(activity);
    if (positions(activity) !== moved) [moved, movedAtMs] = [positions(activity), performance.now()];
    else if (performance.now() - movedAtMs > STALLED_MS)
      reject(new Error(`nothing moves any more${whatFailed(regions)}`));
  };
  const timer = setInterval(() => {
    showing = showing.then(show);
    showing.catch(reject);
  }, EVERY_MS);
  return {
    stalled,
    stop: () => {
      clearInterval(timer);
      return showing;
    },
  };
}

const positions = ({ regions }: Activity): string =>
  JSON.stringify(regions.map(({ captured, received, parked }) => [captured, received, parked]));

function whatFailed({ links }: Regions): string {
  const failed = links.filter(({ mapping }) => mapping.status().lastError !== undefined);
  return failed
    .map(({ into, from, mapping }) => `; ${from} into ${into}: ${mapping.status().lastError?.message}`)
    .join('');
}
