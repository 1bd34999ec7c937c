import { PolicyDocument, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnClusterPolicy } from 'aws-cdk-lib/aws-msk';
import type { Construct } from 'constructs';

/**
 * Lets MSK Replicators of other regions connect privately; what they may read is up to their roles. This is what AWS documents as
 * needed, and all of it: whether the service says for which account it comes (`aws:SourceAccount`) is not documented, and a
 * condition that is never met would keep every replicator from being made.
 */
export function allowReplicators(scope: Construct, clusterArn: string): CfnClusterPolicy {
  const policy = new PolicyDocument({
    statements: [
      new PolicyStatement({
        principals: [new ServicePrincipal('kafka.amazonaws.com')],
        actions: ['kafka:CreateVpcConnection', 'kafka:GetBootstrapBrokers', 'kafka:DescribeClusterV2'],
        resources: [clusterArn],
      }),
    ],
  });
  return new CfnClusterPolicy(scope, 'Replicators', { clusterArn, policy });
}
