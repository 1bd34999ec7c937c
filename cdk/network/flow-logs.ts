import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnFlowLog, type IVpc } from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { type ILogGroup, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { encryptLogs } from '../functions/logs-key.ts';

export type FlowLogsProps = { readonly vpc: IVpc; readonly days: 30 | 90 | 365 };

/** Who spoke to whom in the VPC, or tried to. */
export class FlowLogs extends Construct {
  constructor(scope: Construct, id: string, { vpc, days }: FlowLogsProps) {
    super(scope, id);
    const key = new Key(this, 'Key', {
      description: 'Concord: flow logs',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    encryptLogs(key);
    const logGroup = new LogGroup(this, 'LogGroup', {
      encryptionKey: key,
      retention: days,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = this.#role(logGroup);
    const flowLog = new CfnFlowLog(this, 'FlowLog', {
      resourceType: 'VPC',
      resourceId: vpc.vpcId,
      trafficType: 'ALL',
      logDestinationType: 'cloud-watch-logs',
      logGroupName: logGroup.logGroupName,
      deliverLogsPermissionArn: role.roleArn,
      maxAggregationInterval: 600,
    });
    flowLog.node.addDependency(role);
  }

  #role(logGroup: ILogGroup): Role {
    const role = new Role(this, 'Role', {
      description: 'Writes the flow logs of the VPC',
      assumedBy: new ServicePrincipal('vpc-flow-logs.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    role.addToPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    return role;
  }
}
