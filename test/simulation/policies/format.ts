import type { Ranked, Version } from '@concord/conflict';

const sorted = <T>(record: Readonly<Record<string, T>>, text: (value: T) => string): string =>
  Object.keys(record)
    .sort()
    .map((name) => `${name}:${text(record[name] as T)}`)
    .join(' ');

const dot = ({ stamp, region }: Ranked): string => `${stamp}@${region}`;

/** Everything that regions must agree on, in one line; equal for equal versions. */
export function formatVersion({ kind, vector, writes, lattice, claim, ...rank }: Version): string {
  const head = `${kind} ${dot(rank)} #${writes} {${sorted(vector, String)}}${claim ? ` claim ${dot(claim)}` : ''}`;
  if (lattice === undefined) return head;
  const counters = sorted(lattice.counters, (counter) => `(${sorted(counter, String)})`);
  return `${head} life ${dot(lattice.incarnation)} [${sorted(lattice.registers, dot)}] ${counters} tx ${lattice.txId}`;
}
