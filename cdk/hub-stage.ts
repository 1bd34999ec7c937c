import type { Topology } from '@concord/events';
import { Stage } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { replicationFlows } from '../connector/replication.ts';
import { Alerts } from './alerts/alerts.ts';
import { hasAlerts } from './alerts/conflict-log.ts';
import { ConcordStack } from './concord-stack.ts';
import { Operations } from './operations/operations.ts';
import { type Deployment, regionDeployment } from './read-deployment.ts';
import { Reconcile } from './reconcile/reconcile.ts';
import { wayOf } from './replication/replicate.ts';
import { SpokeToHub } from './replication/spoke-to-hub.ts';

export type HubStageProps = { readonly topology: Topology; readonly deployment: Deployment };

/** What the hub has once: `cdk deploy 'Concord-hub/*'`, after all regions. */
export class HubStage extends Stage {
  constructor(scope: Construct, { topology, deployment }: HubStageProps) {
    super(scope, 'Concord-hub');
    const { hub } = topology;
    const { account, operations } = regionDeployment(deployment, hub);
    const stack = (id: string, description: string): ConcordStack =>
      new ConcordStack(this, id, {
        ...{ account, region: hub, terminationProtection: false },
        description: `Concord's hub in ${hub}: ${description}`,
      });
    const spokes = replicationFlows(topology).filter(
      (flow) => flow.into === hub && wayOf(flow, deployment).kind === 'replicator',
    );
    const { alarmTopic } = new Operations(stack('Operations', 'alarms'), 'Operations', operations);
    const accounts = new Map(topology.regions.map(({ name }) => [name, regionDeployment(deployment, name).account]));
    const common = { topology, alarmTopic, accounts };
    new Reconcile(stack('Reconcile', 'compares and repairs all regions'), 'Reconcile', {
      ...common,
      options: deployment.reconcile ?? {},
    });
    if (hasAlerts(topology))
      new Alerts(stack('Alerts', 'who is told of conflicts'), 'Alerts', {
        ...common,
        options: deployment.alerts ?? {},
      });
    if (spokes.length === 0) return;
    const replication = stack('Replication', 'the topics of all regions');
    for (const { from } of spokes) new SpokeToHub(replication, `From-${from}`, { topology, region: from, alarmTopic });
  }
}
