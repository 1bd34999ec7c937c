import { Construct } from 'constructs';
import { replicationFlows } from '../../connector/replication.ts';
import type { SpokeProps } from './hub-to-spoke.ts';
import { Replicator } from './replicator.ts';

/** In the hub's region: the spoke's own topic. AWS allows 15 replicators in a region, more when asked. */
export class SpokeToHub extends Construct {
  readonly replicator: Replicator;

  constructor(scope: Construct, id: string, { topology, region, alarmTopic }: SpokeProps) {
    super(scope, id);
    const flow = replicationFlows(topology).find(({ from, into }) => from === region && into === topology.hub);
    if (flow === undefined) throw new RangeError(`'${region}' is no spoke of ${topology.hub}`);
    this.replicator = new Replicator(this, 'Replicator', { topology, flow, alarmTopic });
  }
}
