import { type ActivityMeter, activityMeter } from '../region/activity.ts';
import type { Regions } from '../region.ts';
import { parkedWatch } from './parked-watch.ts';
import type { Reporter } from './reporter.ts';

const EVERY_MS = 1000;

/** Reports what is going on once a second, for as long as the process lives. */
export function watchActivity(regions: Regions, reporter: Reporter): void {
  const meter: ActivityMeter = activityMeter(regions);
  const watch = parkedWatch(regions, reporter.parked);
  const look = async (): Promise<void> => {
    const { accounts, ...activity } = await meter();
    reporter.activity(activity);
    await watch(accounts.map(({ parked }) => parked));
  };
  const again = (): void => {
    look()
      .catch((error) => reporter.warning(`cannot look: ${(error as Error).message}`))
      .finally(() => setTimeout(again, EVERY_MS));
  };
  again();
}
