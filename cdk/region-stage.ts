import type { Topology } from '@concord/events';
import { Annotations, Stage } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { ConflictLog, hasAlerts } from './alerts/conflict-log.ts';
import { Apply } from './apply/apply.ts';
import { CaptureConnector } from './capture/capture.ts';
import { ConcordStack } from './concord-stack.ts';
import { Database } from './database/database.ts';
import { Enroll } from './enroll/enroll.ts';
import { Kafka } from './kafka/kafka.ts';
import { Network } from './network/network.ts';
import { Operations } from './operations/operations.ts';
import { type Deployment, regionDeployment } from './read-deployment.ts';
import { RegionReconcile } from './reconcile/region-reconcile.ts';
import { HubToSpoke } from './replication/hub-to-spoke.ts';
import { addMirrors, warnOfMissingWays, wayOf } from './replication/replicate.ts';

export type RegionStageProps = {
  readonly topology: Topology;
  readonly region: string;
  readonly deployment: Deployment;
  /** Path of the connector plugin; without it the stacks that need it are left out. */
  readonly pluginZip: string | undefined;
};

/** Everything of one region: `cdk deploy 'Concord-<region>/*'`, in the order in which the stacks are made here. */
export class RegionStage extends Stage {
  constructor(scope: Construct, { topology, region, deployment, pluginZip }: RegionStageProps) {
    super(scope, `Concord-${region}`);
    const options = regionDeployment(deployment, region);
    const slot = topology.regions.find(({ name }) => name === region)?.slot ?? 0;
    const stack = (id: string, description: string, holdsData = false): ConcordStack =>
      new ConcordStack(this, id, {
        account: options.account,
        region,
        description: `Concord in ${region}: ${description}`,
        terminationProtection: holdsData && options.database.removal !== 'destroy',
      });

    const { alarmTopic } = new Operations(stack('Operations', 'alarms'), 'Operations', options.operations);
    const network = new Network(stack('Network', 'network'), 'Network', { options: options.network, slot });
    const common = { topology, region, network, alarmTopic };

    const database = new Database(stack('Database', 'database', true), 'Database', {
      ...common,
      options: options.database,
    });
    const kafkaStack = stack('Kafka', 'brokers and topics', true);
    const kafka = new Kafka(kafkaStack, 'Kafka', { ...common, options: options.kafka });
    const enrollStack = stack('Enroll', 'the database in the topology');
    new Enroll(enrollStack, 'Enroll', { ...common, database, options: options.enroll });
    const applyStack = stack('Apply', "the other regions' changes");
    const { function: apply } = new Apply(applyStack, 'Apply', { ...common, database, kafka, options: options.apply });
    applyStack.addStackDependency(enrollStack, 'apply needs its schema and its role');

    const hub = hubOf(topology, deployment, region);
    const reconcileStack = stack('Reconcile', 'reads and repairs rows, for the hub');
    const { account: hubAccount } = hub;
    new RegionReconcile(reconcileStack, 'Reconcile', { ...common, database, apply, hubAccount });
    hub.warn(reconcileStack, 'compare and repair');
    reconcileStack.addStackDependency(enrollStack, 'its functions sign in with a role that enrolling makes');

    if (hasAlerts(topology)) {
      const reviewStack = stack('Review', 'the conflict log, for alerts');
      new ConflictLog(reviewStack, 'Review', { ...common, database, hubAccount });
      hub.warn(reviewStack, 'read the conflict log of');
      reviewStack.addStackDependency(enrollStack, 'its functions sign in with a role that enrolling makes');
    }

    if (kafka.msk === undefined || pluginZip === undefined) return;
    const captureStack = stack('Capture', 'the connector');
    new CaptureConnector(captureStack, 'Capture', { ...common, database, pluginZip, options: options.capture });
    captureStack.addStackDependency(enrollStack, 'capture needs publication and slot');
    captureStack.addStackDependency(kafkaStack, 'capture reads where the brokers are');

    let stackOfReplication: ConcordStack | undefined;
    const replicationStack = (): ConcordStack => {
      stackOfReplication ??= stack('Replication', "the other regions' topics");
      stackOfReplication.addStackDependency(kafkaStack, 'replication reads where the brokers are');
      return stackOfReplication;
    };
    if (region !== topology.hub && wayOf({ from: topology.hub, into: region }, deployment).kind === 'replicator')
      new HubToSpoke(replicationStack(), 'FromHub', common);
    addMirrors(replicationStack, { ...common, deployment, pluginZip });
    warnOfMissingWays(kafkaStack, topology, region, deployment);
  }
}

type Hub = {
  /** Where it is another one than the region's. */
  readonly account: string | undefined;
  /** Warns where the region is in another account, and which one the hub's is nobody knows. */
  readonly warn: (stack: ConcordStack, mayNot: string) => void;
};

function hubOf({ hub }: Topology, deployment: Deployment, region: string): Hub {
  const { account } = regionDeployment(deployment, region);
  const { account: hubAccount } = regionDeployment(deployment, hub);
  return {
    account: hubAccount === account ? undefined : hubAccount,
    warn: (stack, mayNot) => {
      if (account === undefined || hubAccount !== undefined) return;
      Annotations.of(stack).addWarningV2(
        'concord:hub-account',
        `the hub is not allowed to ${mayNot} ${region}: give the account of ${hub} in the deployment`,
      );
    },
  };
}
