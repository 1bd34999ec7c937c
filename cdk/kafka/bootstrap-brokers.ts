import { Construct } from 'constructs';
import { AwsRead } from './aws-read.ts';
import type { MskCluster } from './msk-cluster.ts';

/** Where the cluster's clients connect: CloudFormation does not know it. */
export class BootstrapBrokers extends Construct {
  /** `b-1.…:9098,…`, for IAM. */
  readonly iam: string;

  constructor(scope: Construct, id: string, { arn, name, brokers }: MskCluster) {
    super(scope, id);
    const path = 'BootstrapBrokerStringSaslIam';
    const read = new AwsRead(this, 'Read', {
      service: 'kafka',
      action: 'getBootstrapBrokers',
      parameters: { ClusterArn: arn },
      permission: 'kafka:GetBootstrapBrokers',
      resource: arn,
      paths: [path],
      // With more brokers the list is another.
      version: `${name}-${brokers}`,
    });
    this.iam = read.value(path);
  }
}
