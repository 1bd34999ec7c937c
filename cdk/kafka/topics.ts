import type { Topology } from '@concord/events';
import type { RemovalPolicy } from 'aws-cdk-lib';
import { CfnTopic } from 'aws-cdk-lib/aws-msk';
import type { Construct } from 'constructs';
import { topicSettings } from '../../connector/topics.ts';
import { REPLICATION_FACTOR } from './server-properties.ts';

export type TopicsProps = {
  readonly clusterArn: string;
  readonly topology: Topology;
  readonly removalPolicy: RemovalPolicy;
};

/**
 * Every region's topic in this region's cluster, its own and those that are copied to it, made the same way everywhere. Connect
 * makes its own ones. Debezium's heartbeat topic is not among them: our connector drops that record and beats in its own topic.
 */
export function createTopics(scope: Construct, { clusterArn, topology, removalPolicy }: TopicsProps): CfnTopic[] {
  return topology.regions.map(({ name: region }) => {
    const { name, partitions, replicationFactor, configs } = topicSettings(topology, region, {
      replicationFactor: REPLICATION_FACTOR,
    });
    const topic = new CfnTopic(scope, `Topic-${region}`, {
      clusterArn,
      topicName: name,
      partitionCount: partitions,
      replicationFactor,
      configs: Buffer.from(JSON.stringify(configs)).toString('base64'),
    });
    // A region that leaves the topology may hold changes that others have not read yet.
    topic.applyRemovalPolicy(removalPolicy);
    return topic;
  });
}
