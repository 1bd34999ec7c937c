import { isLattice, type RegionState, regionName, type Topology, topicOf } from '@concord/events';
import type { ConnectedRegions } from './regions.ts';

/** Why a run would prove nothing, and what to do about it. */
export type Problem = {
  readonly region: string;
  readonly kind: 'away' | 'other_region' | 'other_topology' | 'not_enrolled' | 'silent';
  /** Undefined where it is not one table's. */
  readonly table?: string;
  readonly message: string;
  readonly hint: string;
};

/** Asks every region for its state, and names all that speaks against a run. */
export async function preflight(
  regions: Pick<ConnectedRegions, 'digest' | 'topics'>,
  topology: Topology,
  tables: readonly string[],
): Promise<Problem[]> {
  const problems = await Promise.all(
    topology.regions.map(async ({ name: region }): Promise<Problem[]> => {
      try {
        const state = await regions.digest(region, { do: 'state', tables: [...tables] });
        return [...problemsOf({ region, state, topics: await regions.topics(region), topology, tables })];
      } catch (error) {
        return [away(region, error)];
      }
    }),
  );
  return problems.flat();
}

const away = (region: string, error: unknown): Problem => {
  const { code, message } = error as { code?: string; message?: string };
  return {
    ...{ region, kind: 'away', message: `${region} cannot be read: ${message || code}` },
    hint: HINTS[code ?? ''] ?? 'does its URL lead to the database of the region, and may its role read all tables?',
  };
};

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is the database up, and are host and port right?',
  ENOTFOUND: 'the host name of its URL does not resolve',
  CONNECT_TIMEOUT: 'no answer: check security groups, VPN and the port',
  '28P01': 'the password is wrong',
  '28000': 'this role may not log in from here; see pg_hba.conf',
  '3D000': 'the database of its URL does not exist',
  '3F000': 'Concord is not in this database: `concord enroll` brings it in',
  '42P01': 'Concord is not in this database, or an older release of it: run `concord enroll` again',
  '42703': 'an older release of Concord is in this database: run `concord enroll` again',
  '42501': 'read as role concord_operator, or as one that may do what it may',
};

type Asked = {
  readonly region: string;
  readonly state: RegionState;
  readonly topics: readonly string[];
  readonly topology: Topology;
  readonly tables: readonly string[];
};

const OTHER_TOPOLOGY = 'is this the concord.json that the regions were enrolled with?';

function* problemsOf({ region, state, topics, topology, tables }: Asked): Generator<Problem> {
  const actual = regionName(state.region);
  if (actual !== region) {
    yield {
      ...{ region, kind: 'other_region', message: `the URL of ${region} leads to the database of ${actual}` },
      hint: 'were two URLs swapped? nothing was compared',
    };
    return;
  }
  const known = topology.regions.map(({ name }) => topicOf(name));
  const strangers = topics.filter((topic) => !known.includes(topic));
  if (strangers.length > 0)
    yield {
      ...{ region, kind: 'other_topology', hint: OTHER_TOPOLOGY },
      message: `${region} has read ${strangers.join(', ')}, of which the topology knows nothing`,
    };
  for (const table of tables) yield* problemsOfTable(region, table, state, topology);
  if (state.closedUs === 0)
    yield {
      region,
      kind: 'silent',
      message: `${region} has never announced up to when its writes have committed`,
      hint: `its heartbeats do not run: see \`concord connector check --region ${region}\`, and the slot in \`concord status\``,
    };
}

function* problemsOfTable(
  region: string,
  table: string,
  { tables }: RegionState,
  topology: Topology,
): Generator<Problem> {
  const state = tables[table];
  const entry = topology.tables.find(({ name }) => name === table);
  if (state === undefined)
    yield {
      ...{ region, kind: 'not_enrolled', table, message: `${table} is not enrolled in ${region}` },
      hint: `concord enroll --region ${region} --url …, or leave the table out with --tables`,
    };
  else if (entry !== undefined && isLattice(entry) && !state.lattice)
    yield {
      ...{ region, kind: 'other_topology', hint: OTHER_TOPOLOGY },
      message: `${table} follows another policy in ${region} than the topology says`,
    };
}
