import type { Account, Regions } from '../region.ts';

/** How one region is doing. Counts are since the start. */
export type RegionActivity = {
  readonly region: string;
  readonly isCutOff: boolean;
  /** Changes made here, tombstones included. */
  readonly captured: number;
  /** Changes of other regions that were delivered here, and those that wait in the logs. */
  readonly received: number;
  readonly waiting: number;
  readonly superseded: number;
  readonly conflicts: number;
  /** Parked now: what went in since is not counted. */
  readonly parked: number;
};

/** How all of them are doing. Rates and lags (commit to commit) are those since the last look; undefined when nothing happened. */
export type Activity = {
  readonly regions: readonly RegionActivity[];
  readonly appliedPerSecond: number;
  readonly lagMsP50: number | undefined;
  readonly lagMsP99: number | undefined;
};

export type ActivityMeter = () => Promise<Activity & { readonly accounts: readonly Account[] }>;

/** Each call tells what happened since the one before. */
export function activityMeter(regions: Regions): ActivityMeter {
  let [appliedBefore, atMs] = [0, performance.now()];
  return async () => {
    const accounts = await regions.accounts();
    const applied = accounts.reduce((sum, { tally }) => sum + tally.applied, 0);
    const nowMs = performance.now();
    const appliedPerSecond = Math.round(((applied - appliedBefore) * 1000) / Math.max(1, nowMs - atMs));
    [appliedBefore, atMs] = [applied, nowMs];
    const [lagMsP50, lagMsP99] = [regions.recentLag.percentile(0.5), regions.recentLag.percentile(0.99)];
    regions.recentLag.clear();
    const each = regions.all.map(({ name }, index) => activityOf(regions, name, accounts[index]));
    return { regions: each, appliedPerSecond, lagMsP50, lagMsP99, accounts };
  };
}

function activityOf(regions: Regions, region: string, account: Account | undefined): RegionActivity {
  const links = regions.links.filter(({ into }) => into === region);
  const { received = 0, superseded = 0, conflicts = 0 } = account?.tally ?? {};
  const parked = Object.values(account?.parked ?? {}).reduce((sum, count) => sum + count, 0);
  return {
    region,
    isCutOff: links.every((link) => link.isPaused()),
    captured: regions.captures.get(region)?.captured() ?? 0,
    waiting: links.reduce((sum, { mapping }) => sum + mapping.status().lagRecords, 0),
    ...{ received, superseded, conflicts, parked },
  };
}
