import type { Topology } from '@concord/events';
import { Stack } from 'aws-cdk-lib';
import { Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { mirrorName, mirrorSettings } from '../../connector/mirror.ts';
import type { ReplicationFlow } from '../../connector/replication.ts';
import { secretValue } from '../capture/capture.ts';
import { connectorAlarms } from '../capture/capture-alarms.ts';
import { type ConnectorOptions, MskConnector } from '../capture/msk-connector.ts';
import { localFact } from '../kafka/cluster-facts.ts';
import { onTopics, writeTopics } from '../kafka/policies.ts';
import type { Network } from '../network/network.ts';
import { readSecret } from '../permissions/read-secret.ts';

/** A cluster of another account, or not on MSK: reached over a way that you made (peering, transit gateway). */
export type RemoteKafka = {
  /** `b-1.…:9096,…`: a listener for SCRAM over TLS, with a certificate that Java trusts, as MSK's. */
  readonly bootstrapServers: string;
  /** Complete ARN of a secret in this account and region, JSON with `username` and `password`: the account that reads. */
  readonly secretArn: string;
  /** Where its brokers are, `10.1.0.0/16`: all that the mirror may reach there. */
  readonly cidr: string;
  /** Default 9096. */
  readonly port?: number;
};

export type MirrorMakerProps = {
  readonly options: ConnectorOptions;
  readonly topology: Topology;
  /** One of `replicationFlows`, into the region of the stack. */
  readonly flow: ReplicationFlow;
  readonly from: RemoteKafka;
  readonly network: Network;
  /** As capture's: it brings the provider that reads the secret; MirrorMaker itself is part of Connect. */
  readonly pluginZip: string;
  readonly alarmTopic: ITopic;
};

const SCRAM_PORT = 9096;

/** What a replicator does, where MSK Replicator cannot: MirrorMaker 2 on MSK Connect, beside the cluster that it writes to. */
export class MirrorMaker extends Construct {
  readonly connector: MskConnector;

  constructor(scope: Construct, id: string, props: MirrorMakerProps) {
    super(scope, id);
    const { options, topology, flow, from, network, pluginZip, alarmTopic } = props;
    const name = mirrorName(flow);
    const [clusterArn, bootstrap] = [
      localFact(this, flow.into, 'clusterArn'),
      localFact(this, flow.into, 'bootstrapServers'),
    ];
    const secret = Secret.fromSecretCompleteArn(this, 'Account', from.secretArn);
    const login = { user: secretValue(secret, 'username'), password: secretValue(secret, 'password') };
    this.connector = new MskConnector(this, 'Connector', {
      ...{ options, name, network, pluginZip },
      region: flow.into,
      description: `Copies the topics of ${flow.from} into ${flow.into}`,
      settings: mirrorSettings({
        topology,
        flow,
        from: { bootstrap: from.bootstrapServers, login },
        into: { bootstrap, login: 'iam' },
      }),
      securityGroupIds: [this.#wayOut(network, flow, from).securityGroupId],
      statements: [
        ...writeTopics(clusterArn, flow.topics),
        // Its own: empty, but until Kafka 3.8 it cannot be done without.
        onTopics(clusterArn, [`mm2-offset-syncs.${flow.from}.internal`], 'CreateTopic', 'DescribeTopic', 'WriteData'),
        ...readSecret(Stack.of(this), secret),
      ],
    });
    if (options.running !== false) connectorAlarms(this, { name, region: flow.into, alarmTopic });
  }

  #wayOut({ vpc }: Network, flow: ReplicationFlow, { cidr, port = SCRAM_PORT }: RemoteKafka): SecurityGroup {
    const group = new SecurityGroup(this, 'WayOut', {
      vpc,
      description: `Concord: way of the mirror to ${flow.from}`,
      allowAllOutbound: false,
    });
    group.addEgressRule(Peer.ipv4(cidr), Port.tcp(port), `brokers of ${flow.from}`);
    return group;
  }
}
