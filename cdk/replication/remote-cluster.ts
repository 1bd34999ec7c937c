import { Fn, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { AwsRead } from '../kafka/aws-read.ts';
import { type ClusterFacts, factParameter } from '../kafka/cluster-facts.ts';

const VALUE = 'Parameter.Value';

/** A cluster of this account in another region, as that region's stack with it tells: it is deployed before. */
export class RemoteCluster extends Construct {
  readonly clusterArn: string;
  readonly subnetIds: string[];

  constructor(scope: Construct, id: string, region: string) {
    super(scope, id);
    this.clusterArn = this.#read('ClusterArn', region, 'clusterArn');
    this.subnetIds = Fn.split(',', this.#read('SubnetIds', region, 'subnetIds'));
  }

  #read(id: string, region: string, fact: keyof ClusterFacts): string {
    const name = factParameter(region, fact);
    const read = new AwsRead(this, id, {
      service: 'ssm',
      action: 'getParameter',
      parameters: { Name: name },
      region,
      permission: 'ssm:GetParameter',
      resource: Stack.of(this).formatArn({
        service: 'ssm',
        region,
        resource: 'parameter',
        resourceName: name.slice(1),
      }),
      paths: [VALUE],
      version: name,
    });
    return read.value(VALUE);
  }
}
