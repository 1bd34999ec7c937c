import type { Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import type { Carrier, RegionCapture, StartCarrier } from './carrier/carrier.ts';
import { startEmbedded } from './carrier/embedded.ts';
import { onCleanup } from './process/cleanup.ts';
import { type Account, readAccount } from './region/accounts.ts';
import type { ApplyPlace } from './region/apply-environment.ts';
import { type Comparison, compareRegions } from './region/compare.ts';
import { openConnection } from './region/connection.ts';
import { enrollAll, type Region, startDatabases } from './region/database.ts';
import { drain } from './region/drain.ts';
import { type LagHistogram, lagHistogram } from './region/lag.ts';
import { type Link, startLink } from './region/link.ts';
import type { Template } from './region/template.ts';
import { localTopology, type Priority, type TableOption } from './region/topology.ts';
import { startUpkeep, type Upkeep } from './region/upkeep.ts';

export type { Account } from './region/accounts.ts';
export type { Region } from './region/database.ts';

export type RegionsOptions = {
  /** Names; the first is the hub. */
  readonly regions: readonly string[];
  /** Holds the schema, and rows that are the same everywhere from the start. */
  readonly template: Template;
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
export type Regions = {
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
  readonly compare: () => Promise<Comparison>;
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
  const all = await startDatabases(options.regions, options.template);
  try {
    return await replicate(all, options);
  } catch (error) {
    await Promise.all(all.map(({ cluster }) => cluster.remove()));
    throw error;
  }
}

async function replicate(all: readonly Region[], options: RegionsOptions): Promise<Regions> {
  const { tables, partitions = PARTITIONS, onWarning = () => undefined } = options;
  const topology = localTopology(options.regions, tables, partitions, options.priority);
  const names = topology.tables.map(({ name }) => name);
  await enrollAll(all, topology);
  const carrier = await (options.carrier ?? startEmbedded)({ topology, regions: all, onWarning });
  const [lag, recentLag] = [lagHistogram(), lagHistogram()];
  const addLag = (lagMs: number): void => {
    lag.add(lagMs);
    recentLag.add(lagMs);
  };
  const links = await startLinks(all, { ...options, topology, carrier, addLag, onWarning });
  const captures = await startCaptures(all, carrier);
  const upkeeps = new Map(all.map((region) => [region.name, startUpkeep(region, topology, onWarning)]));
  const observers = all.map(({ url }) => openConnection(url(), 'concord observer'));
  const stop = stopper({ all, links, captures, upkeeps, observers, carrier });
  const forget = onCleanup({ stop, kill: () => undefined });
  return {
    ...{ all, topology, carrier, links, captures, lag, recentLag },
    ...partitioning(links),
    named: (name) => named(all, name),
    backlog: () => links.reduce((sum, link) => sum + (link.isPaused() ? 0 : link.mapping.status().lagRecords), 0),
    accounts: () => Promise.all(observers.map(readAccount)),
    drained: () => drain({ regions: all, captures, links, upkeeps }),
    compare: () => compareRegions(all, names),
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

type LinksOptions = Omit<RegionsOptions, 'carrier'> & {
  readonly topology: Topology;
  readonly carrier: Carrier;
  readonly addLag: (lagMs: number) => void;
  readonly onWarning: (message: string) => void;
};

const startLinks = (all: readonly Region[], options: LinksOptions): Promise<Link[]> =>
  Promise.all(
    all.flatMap((region) =>
      options.regions
        .filter((from) => from !== region.name)
        .map((from) =>
          startLink({
            ...{ region, from, topology: options.topology, carrier: options.carrier, addLag: options.addLag },
            place: options.place?.(region.name, from) ?? 'process',
            batchSize: options.batchSize ?? BATCH_SIZE,
            batchWindowMs: options.batchWindowMs ?? 0,
            onWarning: options.onWarning,
          }),
        ),
    ),
  );

async function startCaptures(all: readonly Region[], carrier: Carrier): Promise<ReadonlyMap<string, RegionCapture>> {
  const started = all.map(async (region) => [region.name, await carrier.capture(region)] as const);
  return new Map(await Promise.all(started));
}

type Running = {
  readonly all: readonly Region[];
  readonly links: readonly Link[];
  readonly captures: ReadonlyMap<string, RegionCapture>;
  readonly carrier: Carrier;
  readonly upkeeps: ReadonlyMap<string, Upkeep>;
  readonly observers: readonly Sql[];
};

/** Stops what uses the clusters; the clusters themselves are stopped by whoever started them or with the process. */
function stopper({ links, captures, carrier, upkeeps, observers }: Running): () => Promise<void> {
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([...captures.values()].map((capture) => capture.stop()));
    await Promise.all(links.map((link) => link.stop()));
    await carrier.stop();
    await Promise.all([...upkeeps.values()].map((upkeep) => upkeep.stop()));
    await Promise.all(observers.map((sql) => sql.end({ timeout: 1 })));
  };
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
