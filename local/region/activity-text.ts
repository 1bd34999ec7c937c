import type { Activity, RegionActivity } from './activity.ts';

/** `formatMs(undefined)` is `–`, `formatMs(12.3)` is `12 ms`, `formatMs(4321)` is `4.3 s`. */
export const formatMs = (ms: number | undefined): string =>
  ms === undefined ? '–' : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

/** `formatCount(1234567)` is `1,234,567`. */
export const formatCount = (count: number): string => Math.round(count).toLocaleString('en-US');

/** One line of numbers for all regions. */
export function activityLine({ regions, appliedPerSecond, lagMsP50, lagMsP99 }: Activity): string {
  const sum = (of: (region: RegionActivity) => number): string =>
    formatCount(regions.reduce((total, region) => total + of(region), 0));
  return [
    `${sum(({ captured }) => captured)} changes`,
    `${formatCount(appliedPerSecond)} applied/s`,
    `lag ${formatMs(lagMsP50)}, p99 ${formatMs(lagMsP99)}`,
    `${sum(({ waiting }) => waiting)} waiting`,
    `${sum(({ conflicts }) => conflicts)} conflicts`,
    `${sum(({ parked }) => parked)} parked`,
  ].join(' · ');
}
