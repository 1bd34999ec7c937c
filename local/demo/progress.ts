import { activityMeter } from '../region/activity.ts';
import type { Regions } from '../region.ts';
import type { Screen } from './screen/screen.ts';

const EVERY_MS = 500;

/** Shows the numbers twice a second, until it is stopped. */
export function showProgress(regions: Regions, screen: Screen): { stop: () => Promise<void> } {
  const meter = activityMeter(regions);
  let showing: Promise<void> = Promise.resolve();
  const show = async (): Promise<void> => {
    const { accounts: _, ...activity } = await meter();
    screen.show(activity);
  };
  const timer = setInterval(() => {
    showing = showing.then(show);
    showing.catch(() => undefined);
  }, EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return showing;
    },
  };
}
