import type { Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import type { RegionCapture } from '../carrier/carrier.ts';
import type { ApplyPlace } from './apply-environment.ts';
import { openConnection } from './connection.ts';
import type { Region } from './database.ts';
import { type Link, type LinkOptions, startLink } from './link.ts';
import { startUpkeep, type Upkeep } from './upkeep.ts';

export type MembersOptions = Pick<LinkOptions, 'carrier' | 'addLag' | 'batchSize' | 'batchWindowMs' | 'onWarning'> & {
  /** Where the changes of `from` are applied `into` another region. */
  readonly place: (into: string, from: string) => ApplyPlace;
};

/** The regions at work, and what works for them; regions come and go. The lists are always the same objects. */
export type Members = {
  readonly all: readonly Region[];
  readonly links: readonly Link[];
  readonly captures: ReadonlyMap<string, RegionCapture>;
  readonly upkeeps: ReadonlyMap<string, Upkeep>;
  readonly observers: () => readonly Sql[];
  readonly topology: () => Topology;
  /** Gives every function another topology; mappings go on where they stood. */
  readonly deploy: (topology: Topology) => Promise<void>;
  /** A region's changes are applied in all others and theirs in it. */
  readonly attach: (regions: readonly Region[]) => Promise<void>;
  /** Nothing reads or writes the region's database any more; topics and consumer groups stay. */
  readonly detach: (name: string) => Promise<Region>;
  /** Applies a topic in a region until its present end, beside what the region's mappings do. */
  readonly replay: (from: string, into: string) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export function createMembers(first: Topology, options: MembersOptions): Members {
  let topology = first;
  const { carrier, onWarning, place } = options;
  const [all, links]: [Region[], Link[]] = [[], []];
  const captures = new Map<string, RegionCapture>();
  const upkeeps = new Map<string, Upkeep>();
  const observers = new Map<string, Sql>();

  const link = (region: Region, from: string): Promise<Link> =>
    startLink({ ...options, region, from, topology, place: place(region.name, from) });
  const startUpkeeps = (regions: readonly Region[]): void => {
    for (const region of regions) upkeeps.set(region.name, startUpkeep(region, topology, onWarning));
  };
  const stopUpkeeps = async (names: readonly string[]): Promise<void> => {
    await Promise.all(names.map((name) => upkeeps.get(name)?.stop()));
    for (const name of names) upkeeps.delete(name);
  };
  const startLinks = async (wanted: readonly (readonly [Region, string])[]): Promise<void> => {
    links.push(...(await Promise.all(wanted.map(([region, from]) => link(region, from)))));
  };
  const stopLinks = async (of: (link: Link) => boolean): Promise<readonly Link[]> => {
    const ending = links.filter(of);
    await Promise.all(ending.map((one) => one.stop()));
    for (const one of ending) links.splice(links.indexOf(one), 1);
    return ending;
  };
  const named = (name: string): Region => {
    const region = all.find((one) => one.name === name);
    if (region === undefined) throw new Error(`no region '${name}'`);
    return region;
  };

  return {
    ...{ all, links, captures, upkeeps },
    observers: () => [...observers.values()],
    topology: () => topology,
    deploy: async (next) => {
      topology = next;
      const former = await stopLinks(() => true);
      await stopUpkeeps([...upkeeps.keys()]);
      await startLinks(former.map(({ into, from }) => [named(into), from] as const));
      for (const { into, from } of former.filter((one) => one.isPaused()))
        links.find((one) => one.into === into && one.from === from)?.pause();
      startUpkeeps(all);
    },
    attach: async (regions) => {
      const [known, fresh] = [[...all], new Set(regions)];
      all.push(...regions);
      const pairs = all.flatMap((region) => all.map(({ name }) => [region, name] as const));
      const isNew = ([into, from]: readonly [Region, string]): boolean =>
        into.name !== from && (fresh.has(into) || !known.some(({ name }) => name === from));
      await startLinks(pairs.filter(isNew));
      const started = regions.map(async (region) => [region.name, await carrier.capture(region)] as const);
      for (const [name, capture] of await Promise.all(started)) captures.set(name, capture);
      startUpkeeps(regions);
      for (const { name, url } of regions) observers.set(name, openConnection(url(), 'concord observer'));
    },
    detach: async (name) => {
      const region = named(name);
      await captures.get(name)?.stop();
      captures.delete(name);
      await stopLinks(({ into, from }) => into === name || from === name);
      await stopUpkeeps([name]);
      await observers.get(name)?.end({ timeout: 1 });
      observers.delete(name);
      all.splice(all.indexOf(region), 1);
      return region;
    },
    replay: async (from, into) => {
      const one = await link(named(into), from);
      try {
        await one.mapping.drained();
      } finally {
        await one.stop();
      }
    },
    stop: async () => {
      await Promise.all([...captures.values()].map((capture) => capture.stop()));
      await Promise.all(links.map((one) => one.stop()));
      await carrier.stop();
      await Promise.all([...upkeeps.values()].map((upkeep) => upkeep.stop()));
      await Promise.all([...observers.values()].map((sql) => sql.end({ timeout: 1 })));
    },
  };
}
