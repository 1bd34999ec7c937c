import type { Sighting, WriteReport } from './client.ts';
import { latencyOf } from './latency.ts';

/** How far a region is behind: changes of the other one that it has not applied. */
export type Sample = { readonly atMs: number; readonly behind: number };

export type Recovery = {
  readonly recoveredMs: number;
  readonly drainedPerSecond: number;
  readonly slopePerSecond: number;
  readonly liveP50Ms: number;
  readonly liveMaxMs: number;
  readonly afterP50Ms: number;
};

/** So old may the oldest change be that is not visible yet where a region is up to date. */
const UP_TO_DATE_MS = 1000;

const latencyMs = ({ ackedMs, seenMs }: Sighting): number => Math.max(0, seenMs - ackedMs);

/**
 * What samples and the rows that a client watched tell of a region that was let go at `releasedMs`, and gets `perSecond` new
 * changes meanwhile. It was up to date when the last row was seen that had been invisible for a second.
 */
export function recovery(
  samples: readonly Sample[],
  { sightings }: WriteReport,
  releasedMs: number,
  perSecond: number,
): Recovery {
  const old = sightings.filter((row) => latencyMs(row) >= UP_TO_DATE_MS);
  const recoveredMs = old.reduce((latest, { seenMs }) => Math.max(latest, seenMs), releasedMs);
  const [meanwhile, afterwards] = [
    sightings.filter(({ ackedMs }) => ackedMs <= recoveredMs),
    sightings.filter(({ ackedMs }) => ackedMs > recoveredMs),
  ];
  const falling = samples.filter(({ behind }, index) => index === 0 || behind > perSecond);
  const slopePerSecond = slopeOf([...falling, ...samples.slice(falling.length, falling.length + 1)]);
  const live = latencyOf(meanwhile.map(latencyMs));
  return {
    recoveredMs: recoveredMs - releasedMs,
    // What is written meanwhile has to be applied as well.
    drainedPerSecond: perSecond - slopePerSecond,
    slopePerSecond,
    ...{ liveP50Ms: live.p50, liveMaxMs: live.max },
    afterP50Ms: latencyOf(afterwards.map(latencyMs)).p50,
  };
}

/** By least squares: changes per second, negative while the region catches up. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [seconds, behind] = [samples.map(({ atMs }) => atMs / 1000), samples.map((sample) => sample.behind)];
  const [meanSeconds, meanBehind] = [mean(seconds), mean(behind)];
  const spread = mean(seconds.map((at) => (at - meanSeconds) ** 2));
  const together = mean(seconds.map((at, index) => (at - meanSeconds) * ((behind[index] ?? 0) - meanBehind)));
  if (!(spread > 0)) throw new Error('too few samples for a slope');
  return together / spread;
}
