import { parseTopology, type Topology } from '@concord/events';

/** A topology of regions on this machine; the first one is the hub. Throws an Error that names what does not fit. */
export function localTopology(regions: readonly string[], tables: readonly string[], partitions?: number): Topology {
  const result = parseTopology({
    version: 1,
    hub: regions[0] ?? '',
    regions: regions.map((name, slot) => ({ name, slot })),
    tables: tables.map((name) => ({ name })),
    topics: partitions === undefined ? {} : { partitions },
  });
  if (!result.ok)
    throw new Error(result.problems.map(({ path, reason, hint }) => `${path} ${reason} (${hint})`).join('; '));
  return result.topology;
}

/** The topology as the content of a `concord.json`. */
export const topologyJson = (topology: Topology): string => JSON.stringify({ version: 1, ...topology });
