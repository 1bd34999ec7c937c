import { parseTopology, type TableEntry, type Topology } from '@concord/events';

/** A table by its name, or with what the topology says of it. */
export type TableOption = string | ({ readonly name: string } & Partial<TableEntry>);

export type Priority = Readonly<Record<string, number>>;

/** A topology of regions on this machine; the first one is the hub. Throws an Error that names what does not fit. */
export function localTopology(
  regions: readonly string[],
  tables: readonly TableOption[],
  partitions?: number,
  priority: Priority = {},
): Topology {
  const result = parseTopology({
    version: 1,
    hub: regions[0] ?? '',
    regions: regions.map((name, slot) => ({ name, slot })),
    priority,
    tables: tables.map((table) => (typeof table === 'string' ? { name: table } : table)),
    topics: partitions === undefined ? {} : { partitions },
  });
  if (!result.ok)
    throw new Error(result.problems.map(({ path, reason, hint }) => `${path} ${reason} (${hint})`).join('; '));
  return result.topology;
}

/** The topology as the content of a `concord.json`. */
export const topologyJson = (topology: Topology): string => JSON.stringify({ version: 1, ...topology });
