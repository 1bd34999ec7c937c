import { type Topology, topicOf } from '@concord/events';

/** Copies these topics, under their own names, from one region's cluster into another's. */
export type ReplicationFlow = {
  readonly from: string;
  readonly into: string;
  readonly topics: readonly string[];
};

/**
 * What is copied between clusters, for MSK Replicator and MirrorMaker alike: each spoke's own topic to the hub, and from the hub
 * to each spoke every topic but its own. So each topic spreads along a tree from its region: everybody gets it once, and nothing
 * comes back. Both directions of a link must stay this exact: the copies have the same names, so a topic copied both ways
 * would go round for ever.
 */
export function replicationFlows({ hub, regions }: Pick<Topology, 'hub' | 'regions'>): ReplicationFlow[] {
  const names = regions.map(({ name }) => name);
  return names
    .filter((name) => name !== hub)
    .flatMap((spoke) => [
      { from: spoke, into: hub, topics: [topicOf(spoke)] },
      { from: hub, into: spoke, topics: names.filter((name) => name !== spoke).map(topicOf) },
    ]);
}

/** A Java pattern for exactly this topic; without the escapes `.` would match any character. */
export const topicPattern = (topic: string): string => `^${topic.replaceAll('.', '\\.')}$`;
