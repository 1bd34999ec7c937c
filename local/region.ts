import type { Topology } from '@concord/events';
import type { Carrier, RegionCapture, StartCarrier } from './carrier/carrier.ts';
import { startEmbedded } from './carrier/embedded.ts';
import type { Settings } from './postgres/settings.ts';
import { onCleanup } from './process/cleanup.ts';
import { type Reconcile, reconciler } from './reconcile/live.ts';
import { type Account, readAccount } from './region/accounts.ts';
import type { ApplyPlace } from './region/apply-environment.ts';
import { type Comparison, compareRegions } from './region/compare.ts';
import { enrollAll, type Region, startDatabases } from './region/database.ts';
import { drain } from './region/drain.ts';
import { type LagHistogram, lagHistogram } from './region/lag.ts';
import { type Lifecycle, lifecycle } from './region/lifecycle.ts';
import type { Link } from './region/link.ts';
import { createMembers } from './region/members.ts';
import type { Template } from './region/template.ts';
import { localTopology, type Priority, type TableOption } from './region/topology.ts';

export type { Account } from './region/accounts.ts';
export type { Region } from './region/database.ts';

export type RegionsOptions = {
  /** Names; the first is the hub. */
  readonly regions: readonly string[];
  /** Holds the schema, and rows that are the same everywhere from the start. */
  readonly template: Template;
  /** Of the regions' servers: override the defaults of clusters on this machine, which do not wait for the disk. */
  readonly settings?: Settings;
  /** The tables to enroll, `schema.table`, by name or with their policies. */
  readonly tables: readonly TableOption[];
  /** Bonus per region, ms, for tables with policy `priority`. */
  readonly priority?: Priority;
  /** Of each topic. Default 4. */
  readonly partitions?: number;
  /** Records per batch, at most. Default 1000. */
  readonly batchSize?: number;
  /** How long a batch may gather, ms: longer is fewer transactions and more lag. Default 0. */
  readonly batchWindowMs?: number;
  /** What carries the changes. Default: all in this process. */
  readonly carrier?: StartCarrier;
  /** Where the changes of `from` are applied `into` another region. Default: all in this process. */
  readonly place?: (into: string, from: string) => ApplyPlace;
  /** Something that mends itself went wrong: a broken connection, a settling pass that failed. */
  readonly onWarning?: (message: string) => void;
};

/** Regions that replicate live among each other. */
export type Regions = Lifecycle & {
  readonly all: readonly Region[];
  readonly topology: Topology;
  readonly carrier: Pick<Carrier, 'append' | 'changes'>;
  readonly links: readonly Link[];
  readonly captures: ReadonlyMap<string, RegionCapture>;
  /** From the commit at the source to the commit at the target: since the start, and since `recentLag` was cleared. */
  readonly lag: LagHistogram;
  readonly recentLag: LagHistogram;
  readonly named: (name: string) => Region;
  /** The WAN breaks: nothing gets into the region nor out of it; its clients go on. */
  readonly cutOff: (name: string) => void;
  readonly reconnect: (name: string) => void;
  /** Nothing gets into the region; what it writes leaves. */
  readonly holdInbound: (name: string) => void;
  readonly releaseInbound: (name: string) => void;
  /** Records in the logs that a link has still to handle; those of links that are cut do not count. */
  readonly backlog: () => number;
  readonly accounts: () => Promise<Account[]>;
  /** See `drain`. */
  readonly drained: () => Promise<void>;
  /** With queries that share no code with what they check. */
  readonly compare: () => Promise<Comparison>;
  /** As the hub does it every night. */
  readonly reconcile: Reconcile;
  /** Stops replication and the clusters, and deletes their data. */
  readonly stop: () => Promise<void>;
};

const PARTITIONS = 4;
const BATCH_SIZE = 1000;

/**
 * Starts one cluster per region from the template, enrolls the tables everywhere, captures every region into a topic of
 * its own and applies every topic in all other regions. Resolves when changes flow; ends with this process at the latest.
 */
export async function startRegions(options: RegionsOptions): Promise<Regions> {
  const all = await startDatabases(options.regions, options.template, options.settings);
  try {
    return await replicate(all, options);
  } catch (error) {
    await Promise.all(all.map(({ cluster }) => cluster.remove()));
    throw error;
  }
}

async function replicate(started: readonly Region[], options: RegionsOptions): Promise<Regions> {
  const { tables, partitions = PARTITIONS, onWarning = () => undefined } = options;
  const topology = localTopology(options.regions, tables, partitions, options.priority);
  await enrollAll(started, topology);
  const carrier = await (options.carrier ?? startEmbedded)({ topology, regions: started, onWarning });
  const [lag, recentLag] = [lagHistogram(), lagHistogram()];
  const addLag = (lagMs: number): void => {
    lag.add(lagMs);
    recentLag.add(lagMs);
  };
  const { batchSize = BATCH_SIZE, batchWindowMs = 0, place = () => 'process' } = options;
  const members = createMembers(topology, { carrier, addLag, onWarning, batchSize, batchWindowMs, place });
  await members.attach(started);
  const { all, links, captures, upkeeps } = members;
  const names = topology.tables.map(({ name }) => name);
  const stop = once(members.stop);
  const forget = onCleanup({ stop, kill: () => undefined });
  return {
    ...{ all, carrier, links, captures, lag, recentLag },
    get topology() {
      return members.topology();
    },
    ...partitioning(links),
    ...lifecycle(members, carrier, options.settings),
    named: (name) => named(all, name),
    backlog: () => links.reduce((sum, link) => sum + (link.isPaused() ? 0 : link.mapping.status().lagRecords), 0),
    accounts: () => Promise.all(members.observers().map(readAccount)),
    drained: () => drain({ regions: all, captures, links, upkeeps }),
    compare: () => compareRegions(all, names),
    reconcile: reconciler({ all, topology: members.topology, onWarning }),
    stop: async () => {
      await stop();
      await Promise.all(all.map(({ cluster }) => cluster.remove()));
      forget();
    },
  };
}

function named(all: readonly Region[], name: string): Region {
  const region = all.find((candidate) => candidate.name === name);
  if (region === undefined) throw new Error(`no region '${name}': ${all.map((known) => known.name).join(', ')}`);
  return region;
}

/** What uses the clusters is stopped once; the clusters themselves are stopped by whoever started them or with the process. */
function once(stop: () => Promise<void>): () => Promise<void> {
  let stopping: Promise<void> | undefined;
  return () => {
    stopping ??= stop();
    return stopping;
  };
}

type Partitioning = Pick<Regions, 'cutOff' | 'reconnect' | 'holdInbound' | 'releaseInbound'>;

/** Pauses the links that one of the present reasons speaks against. */
function partitioning(links: readonly Link[]): Partitioning {
  const [cut, held] = [new Set<string>(), new Set<string>()];
  const update = (): void => {
    for (const link of links) {
      if (cut.has(link.into) || cut.has(link.from) || held.has(link.into)) link.pause();
      else link.resume();
    }
  };
  const change = (set: Set<string>, action: 'add' | 'delete') => (name: string) => {
    set[action](name);
    update();
  };
  return {
    cutOff: change(cut, 'add'),
    reconnect: change(cut, 'delete'),
    holdInbound: change(held, 'add'),
    releaseInbound: change(held, 'delete'),
  };
}
