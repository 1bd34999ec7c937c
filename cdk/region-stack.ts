import { type Topology, topicOf } from '@concord/events';
import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

export type RegionStackProps = { readonly region: string; readonly topology: Topology };

/** One region. So far only what it will read and write is known here; see docs/limits.md. */
export class RegionStack extends Stack {
  constructor(scope: Construct, id: string, { region, topology }: RegionStackProps) {
    super(scope, id, { env: { region }, description: `Concord in ${region}` });
    const others = topology.regions.map(({ name }) => name).filter((name) => name !== region);
    new CfnOutput(this, 'WritesTopic', { value: topicOf(region) });
    new CfnOutput(this, 'AppliesTopics', { value: others.map(topicOf).join(',') || 'none' });
  }
}
