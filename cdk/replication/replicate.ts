import type { Topology } from '@concord/events';
import { Annotations } from 'aws-cdk-lib';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { type ReplicationFlow, replicationFlows } from '../../connector/replication.ts';
import type { ConnectorOptions } from '../capture/msk-connector.ts';
import type { Network } from '../network/network.ts';
import { type Deployment, regionDeployment } from '../read-deployment.ts';
import { MirrorMaker, type RemoteKafka } from './mirror-maker.ts';

export type ReplicationOptions = {
  /** By region: how brokers of another account are reached from here. Not needed within one account: MSK Replicator finds them. */
  readonly mirrors?: Readonly<Record<string, RemoteKafka>>;
  readonly connector?: ConnectorOptions;
};

/** `replicator`: MSK Replicator, within an account. `mirror`: MirrorMaker 2. `later`: something has to be deployed, or said, before. */
export type Way =
  | { readonly kind: 'replicator' }
  | { readonly kind: 'mirror'; readonly from: RemoteKafka }
  | { readonly kind: 'later'; readonly why: string };

/** How a flow gets from one cluster to the other, as far as the deployment tells by now. */
export function wayOf({ from, into }: Pick<ReplicationFlow, 'from' | 'into'>, deployment: Deployment): Way {
  const [source, target] = [regionDeployment(deployment, from), regionDeployment(deployment, into)];
  if (source.account !== target.account) {
    const mirror = target.replication.mirrors?.[from];
    return mirror === undefined
      ? {
          kind: 'later',
          why: `${from} lies in another account: say in replication.mirrors of ${into} how it is reached`,
        }
      : { kind: 'mirror', from: mirror };
  }
  if (source.kafka.kind !== 'msk')
    return { kind: 'later', why: `the brokers of ${from} are not made here: copy by your own means` };
  if (source.kafka.multiVpc !== true)
    return {
      kind: 'later',
      why: `deploy ${from} first, then set multiVpc of its brokers, and deploy again: see docs/deploy.md`,
    };
  return { kind: 'replicator' };
}

export type MirrorsProps = {
  readonly topology: Topology;
  readonly region: string;
  readonly deployment: Deployment;
  readonly network: Network;
  readonly pluginZip: string;
  readonly alarmTopic: ITopic;
};

/** The mirrors from other accounts into a region, each made in the stack that `scope` gives. */
export function addMirrors(scope: () => Construct, { region, deployment, ...props }: MirrorsProps): void {
  for (const flow of replicationFlows(props.topology).filter(({ into }) => into === region)) {
    const way = wayOf(flow, deployment);
    if (way.kind === 'mirror')
      new MirrorMaker(scope(), `From-${flow.from}`, {
        ...props,
        flow,
        from: way.from,
        options: regionDeployment(deployment, region).replication.connector ?? {},
      });
  }
}

/** Says at synthesis what is not copied yet, and why. */
export function warnOfMissingWays(scope: Construct, topology: Topology, region: string, deployment: Deployment): void {
  for (const flow of replicationFlows(topology).filter(({ into }) => into === region)) {
    const way = wayOf(flow, deployment);
    if (way.kind === 'later')
      Annotations.of(scope).addWarningV2(
        `concord:replication-${flow.from}-${region}`,
        `nothing is copied from ${flow.from}: ${way.why}`,
      );
  }
}
