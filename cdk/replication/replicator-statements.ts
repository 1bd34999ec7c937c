import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { onCluster, onGroups, onTopics } from '../kafka/policies.ts';

export type ReplicatorClusters = {
  readonly sourceArn: string;
  readonly targetArn: string;
  readonly topics: readonly string[];
};

/** What MSK Replicator keeps in both clusters: heartbeats, positions, the state of its workers. */
const OWN_TOPICS = ['*__amazon_msk_replicator_*', 'mskr-offset-syncs.*', '*.checkpoints.internal'];
const OWN_GROUPS = ['*__amazon_msk_replicator_*'];
const OWN_ACTIONS = [
  'AlterTopic',
  'AlterTopicDynamicConfiguration',
  'CreateTopic',
  'DescribeTopic',
  'DescribeTopicDynamicConfiguration',
  'ReadData',
  'WriteData',
];

/** MSK Replicator's own topics and groups, in both clusters. */
export const ownStatements = ({ sourceArn, targetArn }: ReplicatorClusters): PolicyStatement[] => [
  onTopics(sourceArn, OWN_TOPICS, ...OWN_ACTIONS),
  onTopics(targetArn, OWN_TOPICS, ...OWN_ACTIONS),
  onGroups(targetArn, OWN_GROUPS, 'AlterGroup', 'DescribeGroup'),
];

/**
 * Reading and writing exactly these topics, as AWS lists it for copies under the same name without settings, access lists and groups:
 * https://docs.aws.amazon.com/msk/latest/developerguide/msk-replicator-perms-topic-replication.html
 */
export const copyStatements = ({ sourceArn, targetArn, topics }: ReplicatorClusters): PolicyStatement[] => [
  onCluster(sourceArn, 'Connect', 'DescribeCluster', 'WriteDataIdempotently'),
  onCluster(targetArn, 'Connect', 'DescribeCluster', 'WriteDataIdempotently'),
  onTopics(sourceArn, topics, 'DescribeTopic', 'DescribeTopicDynamicConfiguration', 'ReadData'),
  onTopics(targetArn, topics, 'CreateTopic', 'DescribeTopic', 'DescribeTopicDynamicConfiguration', 'WriteData'),
];
