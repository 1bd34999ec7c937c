import type { Latency } from './client.ts';

/** Throws when there is nothing to measure by. */
export function latencyOf(measuredMs: readonly number[]): Latency {
  const sorted = measuredMs.toSorted((a, b) => a - b);
  const at = (share: number): number => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
    if (value === undefined) throw new Error('no measurement');
    return value;
  };
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
