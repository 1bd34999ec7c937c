import { readStatus } from '../../functions/status/status.ts';
import { withConnection } from '../../local/region/connection.ts';
import type { Regions } from '../../local/region.ts';

/** The ledgers of all regions against an independent count of what is in the topics. */
export type Accounting = {
  /** `records` of `from` were received by `into` that its topic does not hold any more, or held once and delivered twice. */
  readonly carry: (into: string, from: string, records: number) => void;
  /** What every link has received beyond its topic, and the partitions whose outcomes do not add up to what they received. */
  readonly check: () => Promise<{ readonly beyond: Readonly<Record<string, number>>; readonly unbalanced: string[] }>;
};

export function accountingOf(regions: Regions): Accounting {
  const carried = new Map<string, number>();
  const linkName = (into: string, from: string): string => `${from} to ${into}`;
  const partitionsOf = async (into: string) => (await withConnection(regions.named(into).url(), readStatus)).partitions;
  const receivedOf = (partitions: Awaited<ReturnType<typeof partitionsOf>>, from: string): number =>
    partitions.filter(({ topic }) => topic === `cdc.${from}`).reduce((sum, { received }) => sum + received, 0);
  return {
    carry: (into, from, records) => {
      const name = linkName(into, from);
      carried.set(name, (carried.get(name) ?? 0) + records);
    },
    check: async () => {
      const names = regions.all.map(({ name }) => name);
      const changes = new Map<string, number>();
      for (const name of names) changes.set(name, await regions.carrier.changes(name));
      const beyond: Record<string, number> = {};
      const unbalanced: string[] = [];
      for (const into of names) {
        const partitions = await partitionsOf(into);
        for (const partition of partitions)
          if (!partition.balanced) unbalanced.push(`${into}: ${JSON.stringify(partition)}`);
        for (const from of names.filter((name) => name !== into)) {
          const name = linkName(into, from);
          const difference = receivedOf(partitions, from) - (carried.get(name) ?? 0) - (changes.get(from) ?? 0);
          if (difference !== 0) beyond[name] = difference;
        }
      }
      return { beyond, unbalanced };
    },
  };
}
