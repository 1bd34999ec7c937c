import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { onCluster, onGroups, onTopics } from '../kafka/policies.ts';

/** MSK Connect's, one each for settings, status and, unless the worker configuration names another, positions. */
const OWN = '__amazon_msk_connect_*';

/**
 * Where a connector's positions are kept, in the cluster: `concord-connect-offsets.concord-eu-west-1`. MSK Connect's own choice has the
 * connector's id in its name, so a connector that is made anew would begin anew. The cluster outlives the stack, and the topic
 * with it.
 */
export const offsetTopic = (connectorName: string): string => `concord-connect-offsets.${connectorName}`;

/** What a worker of MSK Connect needs for itself. */
export const connectStatements = (clusterArn: string, connectorName: string): PolicyStatement[] => [
  onCluster(clusterArn, 'Connect', 'DescribeCluster'),
  onTopics(
    clusterArn,
    [OWN, offsetTopic(connectorName)],
    'CreateTopic',
    'DescribeTopic',
    // Connect checks that these are compacted.
    'DescribeTopicDynamicConfiguration',
    'ReadData',
    'WriteData',
  ),
  onGroups(clusterArn, [OWN], 'AlterGroup', 'DescribeGroup'),
];
