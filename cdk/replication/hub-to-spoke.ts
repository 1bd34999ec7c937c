import type { Topology } from '@concord/events';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { replicationFlows } from '../../connector/replication.ts';
import { Replicator } from './replicator.ts';

export type SpokeProps = {
  readonly topology: Topology;
  /** The spoke. */
  readonly region: string;
  readonly alarmTopic?: ITopic;
};

/** In a spoke's region: all topics but its own, from the hub. */
export class HubToSpoke extends Construct {
  readonly replicator: Replicator;

  constructor(scope: Construct, id: string, { topology, region, alarmTopic }: SpokeProps) {
    super(scope, id);
    const flow = replicationFlows(topology).find(({ into }) => into === region && region !== topology.hub);
    if (flow === undefined) throw new RangeError(`'${region}' is no spoke of ${topology.hub}`);
    this.replicator = new Replicator(this, 'Replicator', { topology, flow, alarmTopic });
  }
}
