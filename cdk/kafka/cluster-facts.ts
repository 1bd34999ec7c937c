import { Token } from 'aws-cdk-lib';
import { StringListParameter, StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';

/**
 * What others need to know of a region's MSK cluster. It is told through parameters of Systems Manager, not through exports: other
 * regions and the hub's stage could not import them, and an export in use would forbid to change the cluster.
 */
export type ClusterFacts = {
  readonly clusterArn: string;
  /** `b-1.…:9098,…`, where clients sign in with IAM. */
  readonly bootstrapServers: string;
  /** One per zone, the brokers are in. */
  readonly subnetIds: readonly string[];
  readonly securityGroupId: string;
};

const NAMES = {
  clusterArn: 'cluster-arn',
  bootstrapServers: 'bootstrap-servers',
  subnetIds: 'subnet-ids',
  securityGroupId: 'security-group-id',
} as const satisfies Record<keyof ClusterFacts, string>;

/** `factParameter('eu-west-1', 'clusterArn')` is `/concord/eu-west-1/kafka/cluster-arn`. */
export const factParameter = (region: string, fact: keyof ClusterFacts): string =>
  `/concord/${region}/kafka/${NAMES[fact]}`;

/** Of brokers that are there already, where they are is all that is known. */
export const publishBrokers = (scope: Construct, region: string, bootstrapServers: string): StringParameter =>
  new StringParameter(scope, 'Fact-bootstrapServers', {
    parameterName: factParameter(region, 'bootstrapServers'),
    stringValue: bootstrapServers,
    description: `Concord: of the Kafka cluster of ${region}`,
  });

export function publishFacts(scope: Construct, region: string, facts: ClusterFacts): void {
  publishBrokers(scope, region, facts.bootstrapServers);
  for (const fact of ['clusterArn', 'securityGroupId'] as const)
    new StringParameter(scope, `Fact-${fact}`, {
      parameterName: factParameter(region, fact),
      stringValue: facts[fact],
      description: `Concord: of the Kafka cluster of ${region}`,
    });
  new StringListParameter(scope, 'Fact-subnetIds', {
    parameterName: factParameter(region, 'subnetIds'),
    stringListValue: [...facts.subnetIds],
    description: `Concord: of the Kafka cluster of ${region}`,
  });
}

/**
 * Of the cluster of the region that the stack itself is in. CloudFormation fills it in at the deployment, so the stack with the
 * cluster has to be deployed before.
 */
export const localFact = (scope: Construct, region: string, fact: Exclude<keyof ClusterFacts, 'subnetIds'>): string =>
  StringParameter.valueForStringParameter(scope, factParameter(region, fact));

/** As `localFact`. */
export const localSubnetIds = (scope: Construct, region: string): string[] =>
  Token.asList(StringListParameter.valueForTypedListParameter(scope, factParameter(region, 'subnetIds')));
