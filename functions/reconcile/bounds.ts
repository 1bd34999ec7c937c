import { regionName } from '@concord/events';
import type { Bounds, Plan } from './stored.ts';

/**
 * How far a source's writes have been applied everywhere: not above what was closed in all regions when the run began, and not
 * above what the slowest region has applied of it. `needed` partitions must have been heard of.
 */
export function boundsOf(
  { states, regions, asOfUs }: Pick<Plan, 'states' | 'regions' | 'asOfUs'>,
  needed: number,
): Bounds {
  const sources: Record<string, number> = {};
  for (const source of regions) {
    let bound = asOfUs;
    for (const [region, { applied }] of Object.entries(states))
      if (region !== source) bound = Math.min(bound, appliedOf(applied, source, needed));
    sources[source] = bound;
  }
  return { asOfUs, sources };
}

/** Up to where all partitions of a source have been applied; 0 while one was never heard of. */
export function appliedOf(
  applied: Readonly<Record<string, readonly number[]>>,
  source: string,
  needed: number,
): number {
  const partitions = applied[source] ?? [];
  return partitions.length < needed ? 0 : Math.min(...partitions);
}

/** Up to where the writes of a region (with incarnation) count; rows from before enrolment always do. */
export function boundOf({ asOfUs, sources }: Bounds, region: string): number {
  if (region === '') return Number.POSITIVE_INFINITY;
  const name = regionName(region);
  return Object.hasOwn(sources, name) ? (sources[name] ?? 0) : asOfUs;
}
