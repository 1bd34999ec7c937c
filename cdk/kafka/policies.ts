import { Fn } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';

/** `clusterArn` is `arn:aws:kafka:<region>:<account>:cluster/<name>/<uuid>`, a token or not. */
const resourceArn = (clusterArn: string, kind: 'topic' | 'group', name: string): string => {
  const parts = Fn.split(':cluster/', clusterArn);
  return Fn.join('', [Fn.select(0, parts), `:${kind}/`, Fn.select(1, parts), `/${name}`]);
};

/** `…:topic/<cluster>/<uuid>/<topic>`. */
export const topicArn = (clusterArn: string, topic: string): string => resourceArn(clusterArn, 'topic', topic);
/** `…:group/<cluster>/<uuid>/<group>`. */
export const groupArn = (clusterArn: string, group: string): string => resourceArn(clusterArn, 'group', group);

const topicArns = (clusterArn: string, topics: readonly string[]): string[] =>
  topics.map((topic) => topicArn(clusterArn, topic));

/** A statement for the data plane of MSK: `onCluster(arn, 'Connect')`. */
export const onCluster = (clusterArn: string, ...actions: readonly string[]): PolicyStatement =>
  new PolicyStatement({ actions: named(actions), resources: [clusterArn] });

export const onTopics = (
  clusterArn: string,
  topics: readonly string[],
  ...actions: readonly string[]
): PolicyStatement => new PolicyStatement({ actions: named(actions), resources: topicArns(clusterArn, topics) });

export const onGroups = (
  clusterArn: string,
  groups: readonly string[],
  ...actions: readonly string[]
): PolicyStatement =>
  new PolicyStatement({ actions: named(actions), resources: groups.map((group) => groupArn(clusterArn, group)) });

const named = (actions: readonly string[]): string[] => actions.map((action) => `kafka-cluster:${action}`);

/** Exactly these topics, as members of exactly these groups. */
export const readTopics = (
  clusterArn: string,
  topics: readonly string[],
  groups: readonly string[],
): PolicyStatement[] => [
  onCluster(clusterArn, 'Connect', 'DescribeClusterDynamicConfiguration'),
  onTopics(clusterArn, topics, 'DescribeTopic', 'ReadData'),
  onGroups(clusterArn, groups, 'DescribeGroup', 'AlterGroup'),
];

/** Exactly these topics, by an idempotent producer; the topics are there already. */
export const writeTopics = (clusterArn: string, topics: readonly string[]): PolicyStatement[] => [
  onCluster(clusterArn, 'Connect', 'DescribeCluster', 'WriteDataIdempotently'),
  onTopics(clusterArn, topics, 'DescribeTopic', 'WriteData'),
];
