import { Stack } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { acknowledgeWildcards, type Place, printed } from './wildcards.ts';

/** The one group of an account and region in which RDS puts what the operating systems report; RDS keeps it for 30 days. */
const GROUP = 'RDSOSMetrics';

const groupOf = ({ partition, account }: Place, region: string): string =>
  `arn:${partition}:logs:${region}:${account}:log-group:${GROUP}`;
/** Some actions know the group by this name. */
const groupItself = (place: Place, region: string): string => `${groupOf(place, region)}:*`;
const streams = (place: Place, region: string): string => `${groupOf(place, region)}:log-stream:*`;

/** In place of AmazonRDSEnhancedMonitoringRole, which may write to every group that begins with RDS. */
export function monitoringRole(scope: Construct): Role {
  const stack = Stack.of(scope);
  const { region } = stack;
  const statements = [
    new PolicyStatement({
      actions: ['logs:CreateLogGroup', 'logs:PutRetentionPolicy'],
      resources: [groupOf(stack, region), groupItself(stack, region)],
    }),
    new PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams', 'logs:GetLogEvents'],
      resources: [streams(stack, region)],
    }),
  ];
  const role = new Role(scope, 'MonitoringRole', {
    description: 'Reports what the operating systems of the database do',
    assumedBy: new ServicePrincipal('monitoring.rds.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
    }),
    inlinePolicies: { Monitoring: new PolicyDocument({ statements }) },
  });
  acknowledgeWildcards(
    role,
    [groupItself(printed(stack), region), streams(printed(stack), region)],
    `One log group, ${GROUP}: RDS makes a stream in it per instance, under a name of its own.`,
  );
  return role;
}
