import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Network } from '../network/network.ts';
import { acknowledgeWildcards } from '../permissions/acknowledge-wildcards.ts';

/** Lambda's pollers reach brokers in a VPC through network interfaces, which they make with the rights of the function. */
export function grantPollerNetwork(reader: IFunction, { vpc, subnets, groups }: Network): void {
  const stack = Stack.of(reader);
  const arn = (resource: string, resourceName: string): string =>
    stack.formatArn({ service: 'ec2', resource, resourceName });
  const interfaces = arn('network-interface', '*');
  const statements = [
    new PolicyStatement({
      actions: [
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSecurityGroups',
        'ec2:DescribeSubnets',
        'ec2:DescribeVpcs',
      ],
      resources: ['*'],
    }),
    new PolicyStatement({
      actions: ['ec2:CreateNetworkInterface'],
      resources: [
        interfaces,
        ...vpc.selectSubnets(subnets).subnetIds.map((id) => arn('subnet', id)),
        arn('security-group', groups.kafka.securityGroupId),
      ],
    }),
    new PolicyStatement({ actions: ['ec2:DeleteNetworkInterface'], resources: [interfaces] }),
  ];
  for (const statement of statements) reader.addToRolePolicy(statement);
  acknowledgeWildcards(
    reader.role ?? reader,
    statements,
    'EC2 has no permission to describe one thing only, and the ids of interfaces are given when the pollers make them.',
  );
}
