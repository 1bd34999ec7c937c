import type { Regions } from '../region.ts';
import type { Screen } from './screen/screen.ts';
import type { Writers } from './writers.ts';

const EVERY_MS = 500;

/** Shows the numbers twice a second, until it is stopped. */
export function showProgress(regions: Regions, writers: Writers, screen: Screen): { stop: () => Promise<void> } {
  let [appliedBefore, atMs] = [0, performance.now()];
  let showing: Promise<void> = Promise.resolve();
  const show = async (): Promise<void> => {
    const accounts = await regions.accounts();
    const applied = accounts.reduce((sum, { tally }) => sum + tally.applied, 0);
    const nowMs = performance.now();
    const appliedPerSecond = ((applied - appliedBefore) * 1000) / Math.max(1, nowMs - atMs);
    [appliedBefore, atMs] = [applied, nowMs];
    screen.show({
      regions: regions.all.map(({ name }, index) => regionProgress(regions, writers, name, accounts[index])),
      appliedPerSecond,
      lagMsP50: regions.recentLag.percentile(0.5),
      lagMsP99: regions.recentLag.percentile(0.99),
    });
    regions.recentLag.clear();
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

type ShownRegion = Parameters<Screen['show']>[0]['regions'][number];
type RegionAccount = Awaited<ReturnType<Regions['accounts']>>[number];

function regionProgress(
  regions: Regions,
  writers: Writers,
  region: string,
  account: RegionAccount | undefined,
): ShownRegion {
  const links = regions.links.filter(({ into }) => into === region);
  const tally = account?.tally;
  return {
    region,
    isCutOff: links.every((link) => link.isPaused()),
    written: writers.all.find((writer) => writer.region === region)?.rows() ?? 0,
    received: tally?.received ?? 0,
    waiting: links.reduce((sum, { mapping }) => sum + mapping.status().lagRecords, 0),
    superseded: tally?.superseded ?? 0,
    conflicts: tally?.conflicts ?? 0,
    parked: tally?.parked ?? 0,
  };
}
