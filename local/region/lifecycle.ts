import { type Topology, topicOf } from '@concord/events';
import { enroll } from '../../functions/enroll/enroll.ts';
import { mergeGreatestIds, readGreatestIds } from '../../functions/enroll/sequences.ts';
import { forgetRegion } from '../../functions/lifecycle/forget.ts';
import type { Carrier, CarrierTopics } from '../carrier/carrier.ts';
import type { Settings } from '../postgres/settings.ts';
import { withConnection } from './connection.ts';
import { type Region, startDatabases } from './database.ts';
import { drain } from './drain.ts';
import type { Members } from './members.ts';
import type { Template } from './template.ts';

/** Regions come, go and come back while the others take writes: what deployments do on AWS, in their order. */
export type Lifecycle = {
  /**
   * Starts a region's database from a schema and enrolls it; from now on its changes go everywhere, and theirs to it. What was there
   * before comes with a first load of each table.
   */
  readonly add: (name: string, template: Template) => Promise<Region>;
  /** Takes a region out, after all that it wrote is everywhere. Its cluster, which nobody may write any more, is left running. */
  readonly remove: (name: string) => Promise<Region>;
  /** Takes a region out as it is: it is away. Its topic ends here; what others write is not kept for it. */
  readonly evict: (name: string) => Promise<Region>;
  /** An evicted region's database comes back, with a new topic; what the others had deleted meanwhile was removed from it before. */
  readonly readmit: (region: Region) => Promise<void>;
  /** Nothing reads or writes a region's database: it is about to be replaced. What others write waits. */
  readonly detach: (name: string) => Promise<Region>;
  /** A region's database that may be an earlier state of itself: topics are read again from where that state stood. */
  readonly attachRestored: (region: Region) => Promise<void>;
  /** Reads a region's own topic into it, all that is left of it. */
  readonly replayOwn: (name: string) => Promise<void>;
  /** What a region has not read yet is not kept any longer. */
  readonly expire: (name: string) => Promise<void>;
  /** A region's topic is deleted and made again: what others had not read is gone. */
  readonly recreateTopic: (name: string) => Promise<void>;
};

/** `settings` are for the servers of regions that are added. */
export function lifecycle(members: Members, carrier: Carrier, settings?: Settings): Lifecycle {
  const topics = (): CarrierTopics => {
    if (carrier.topics === undefined) throw new Error('regions come and go only where everything runs in this process');
    return carrier.topics;
  };
  const othersOf = (name: string): readonly Region[] => members.all.filter((region) => region.name !== name);
  const takeOut = async (name: string): Promise<Region> => {
    const region = await members.detach(name);
    await members.deploy(without(members.topology(), name));
    for (const other of members.all) topics().forget(other.name, name);
    topics().remove(name);
    return region;
  };
  return {
    add: async (name, template) => {
      const topology = withRegion(members.topology(), name);
      const [region] = await startDatabases([name], template, settings);
      if (region === undefined) throw new Error('no database was started');
      await enrollOne(region, members.all, topology);
      topics().make(name);
      await members.deploy(topology);
      await members.attach([region]);
      return region;
    },
    remove: async (name) => {
      const leaving = members.all.filter((region) => region.name === name);
      const links = members.links.filter(({ from }) => from === name);
      await drain({ regions: leaving, captures: members.captures, links, upkeeps: new Map() });
      const region = await takeOut(name);
      await Promise.all(members.all.map(({ url }) => withConnection(url(), (sql) => forgetRegion(sql, name))));
      return region;
    },
    evict: takeOut,
    readmit: async (region) => {
      // Both sides begin anew: between what was read and what is left of a topic there is a gap that no topic will fill.
      for (const { name, url } of members.all) {
        await withConnection(url(), (sql) => forgetRegion(sql, region.name));
        await withConnection(region.url(), (sql) => forgetRegion(sql, name));
      }
      topics().make(region.name);
      await members.deploy(withRegion(members.topology(), region.name));
      await members.attach([region]);
    },
    detach: members.detach,
    attachRestored: async (region) => {
      const watermarks = await readWatermarks(region);
      for (const { name } of othersOf(region.name))
        topics().seek(name, region.name, watermarks.get(topicOf(name)) ?? new Map());
      await members.attach([region]);
    },
    replayOwn: async (name) => {
      await members.replay(name, name);
      topics().forget(name, name);
      await withConnection(members.all.find((region) => region.name === name)?.url() ?? '', (sql) =>
        forgetRegion(sql, name),
      );
    },
    expire: async (name) => {
      const unread = members.links.filter(({ into }) => into === name);
      const partitions = Array.from({ length: members.topology().topics.partitions }, (_, partition) => partition);
      const ends = new Map(partitions.map((partition) => [partition, Number.MAX_SAFE_INTEGER]));
      await Promise.all(unread.map((link) => link.restart(async () => topics().seek(link.from, name, ends))));
    },
    recreateTopic: async (name) => {
      const links = members.links.filter(({ from }) => from === name);
      const { promise: made, resolve } = Promise.withResolvers<void>();
      let stopped = 0;
      const restart = async (): Promise<void> => {
        if (++stopped === links.length) {
          topics().make(name);
          // Its offsets begin anew: by the old ones, nothing of it would count as delivered.
          await Promise.all(othersOf(name).map(({ url }) => withConnection(url(), (sql) => forgetRegion(sql, name))));
          resolve();
        }
        await made;
      };
      await Promise.all(links.map((link) => link.restart(restart)));
    },
  };
}

/** With the slot that it had, or the next one that nobody ever had. */
function withRegion(topology: Topology, name: string): Topology {
  const { regions, formerRegions } = topology;
  const known = formerRegions.find((entry) => entry.name === name);
  const slot = known?.slot ?? 1 + Math.max(...[...regions, ...formerRegions].map((entry) => entry.slot));
  return {
    ...topology,
    regions: [...regions, { name, slot }],
    formerRegions: formerRegions.filter((entry) => entry.name !== name),
  };
}

function without(topology: Topology, name: string): Topology {
  const gone = topology.regions.filter((entry) => entry.name === name);
  return {
    ...topology,
    regions: topology.regions.filter((entry) => entry.name !== name),
    formerRegions: [...topology.formerRegions, ...gone],
  };
}

/** Its sequences start above the greatest id of any region. */
async function enrollOne(region: Region, others: readonly Region[], topology: Topology): Promise<void> {
  const tables = topology.tables.map(({ name }) => name);
  const ids = await Promise.all(others.map(({ url }) => withConnection(url(), (sql) => readGreatestIds(sql, tables))));
  const greatestIds = mergeGreatestIds(ids);
  await withConnection(region.url(), (sql) => enroll(sql, { topology, region: region.name, greatestIds }));
}

const readWatermarks = (region: Region): Promise<ReadonlyMap<string, ReadonlyMap<number, number>>> =>
  withConnection(region.url(), async (sql) => {
    const rows = await sql<{ topic: string; partition: number; next: string }[]>`
      select topic, partition, next_offset::text as next from concord.watermark`;
    const byTopic = Map.groupBy(rows, ({ topic }) => topic);
    return new Map(
      [...byTopic].map(([topic, of]) => [topic, new Map(of.map(({ partition, next }) => [partition, Number(next)]))]),
    );
  });
