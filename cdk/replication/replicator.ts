import { type Topology, topicOf } from '@concord/events';
import { Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnReplicator } from 'aws-cdk-lib/aws-msk';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { type ReplicationFlow, topicPattern } from '../../connector/replication.ts';
import { localFact, localSubnetIds } from '../kafka/cluster-facts.ts';
import { acknowledgeWildcards } from '../permissions/acknowledge-wildcards.ts';
import { RemoteCluster } from './remote-cluster.ts';
import { replicatorAlarms } from './replicator-alarms.ts';
import { replicatorLogs } from './replicator-logs.ts';
import { copyStatements, ownStatements, type ReplicatorClusters } from './replicator-statements.ts';

export type ReplicatorProps = {
  readonly topology: Topology;
  /** One of `replicationFlows`, into the region of the stack. */
  readonly flow: ReplicationFlow;
  readonly alarmTopic?: ITopic | undefined;
};

/**
 * An MSK Replicator: about 220 USD/month, and 0.08 USD per GB. It runs in the region that the records come to; both clusters must be
 * there, and the other one reachable (`multiVpc`).
 */
export class Replicator extends Construct {
  readonly replicator: CfnReplicator;
  readonly role: Role;

  constructor(scope: Construct, id: string, { topology, flow, alarmTopic }: ReplicatorProps) {
    super(scope, id);
    const name = `concord-${flow.from}-to-${flow.into}`;
    const source = new RemoteCluster(this, 'Source', flow.from);
    const targetArn = localFact(this, flow.into, 'clusterArn');
    this.role = this.#role(name, { sourceArn: source.clusterArn, targetArn, topics: flow.topics });
    this.replicator = new CfnReplicator(this, 'Replicator', {
      replicatorName: name,
      description: `Copies ${flow.topics.join(', ')}`.slice(0, DESCRIPTION_LENGTH),
      serviceExecutionRoleArn: this.role.roleArn,
      kafkaClusters: [
        {
          amazonMskCluster: { mskClusterArn: source.clusterArn },
          // Reached through its private connectivity, so without a security group.
          vpcConfig: { subnetIds: source.subnetIds },
        },
        {
          amazonMskCluster: { mskClusterArn: targetArn },
          vpcConfig: {
            subnetIds: localSubnetIds(this, flow.into),
            securityGroupIds: [localFact(this, flow.into, 'securityGroupId')],
          },
        },
      ],
      replicationInfoList: [
        {
          sourceKafkaClusterArn: source.clusterArn,
          targetKafkaClusterArn: targetArn,
          // At the target, so it is what crosses regions on the second way. Every client can read this one.
          targetCompressionType: 'GZIP',
          topicReplication: topicReplication(topology, flow),
          // Each region reads with groups of its own: nobody moves over. Everything is left out, because the list is required.
          consumerGroupReplication: {
            consumerGroupsToReplicate: ['.*'],
            consumerGroupsToExclude: ['.*'],
            detectAndCopyNewConsumerGroups: false,
            synchroniseConsumerGroupOffsets: false,
          },
        },
      ],
      logDelivery: {
        replicatorLogDelivery: { cloudWatchLogs: { enabled: true, logGroup: replicatorLogs(this, name).logGroupName } },
      },
    });
    // The rights are tried when it is made.
    this.replicator.node.addDependency(this.role);
    if (alarmTopic !== undefined) replicatorAlarms(this, { name, flow, alarmTopic });
  }

  #role(name: string, clusters: ReplicatorClusters): Role {
    const role = new Role(this, 'Role', {
      description: `Runs the replicator ${name}`,
      assumedBy: new ServicePrincipal('kafka.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    const own = ownStatements(clusters);
    for (const statement of [...copyStatements(clusters), ...own]) role.addToPolicy(statement);
    acknowledgeWildcards(
      role,
      own,
      'MSK Replicator names its own topics and groups itself, after an alias that it gives when it is made.',
    );
    return role;
  }
}

/** MSK allows 1,024 characters. */
const DESCRIPTION_LENGTH = 1024;

function topicReplication({ regions }: Topology, { topics }: ReplicationFlow): CfnReplicator.TopicReplicationProperty {
  const others = regions.map(({ name }) => topicOf(name)).filter((topic) => !topics.includes(topic));
  return {
    topicNameConfiguration: { type: 'IDENTICAL' },
    topicsToReplicate: topics.map(topicPattern),
    // Said twice, because a topic that went both ways would go round for ever.
    topicsToExclude: others.map(topicPattern),
    // A topic of the list that is made later is found.
    detectAndCopyNewTopics: true,
    // Each region's stack makes the topics, with the same settings everywhere; two writers of one setting would fight.
    copyTopicConfigurations: false,
    copyAccessControlListsForTopics: false,
    // What was written before there was a replicator as well: applying it twice changes nothing, missing it is a lost change.
    startingPosition: { type: 'EARLIEST' },
  };
}
