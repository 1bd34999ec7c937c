import type { Topology } from '@concord/events';
import { RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnCluster, CfnConfiguration } from 'aws-cdk-lib/aws-msk';
import { Construct } from 'constructs';
import type { Network } from '../network/network.ts';
import { DEFAULT_KAFKA_VERSION, type MskKafka } from './msk-options.ts';
import { REPLICATION_FACTOR, serverProperties } from './server-properties.ts';
import { growStorage } from './storage-growth.ts';

export type MskClusterProps = {
  readonly options: MskKafka;
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  /** Encrypts volumes and log. */
  readonly key: IKey;
  readonly removalPolicy: RemovalPolicy;
};

/** The brokers: TLS only, IAM and SCRAM, nobody without a login, kept when the stack goes. */
export class MskCluster extends Construct {
  readonly name: string;
  readonly arn: string;
  readonly brokers: number;
  readonly subnetIds: readonly string[];
  readonly securityGroupId: string;
  readonly cluster: CfnCluster;

  constructor(scope: Construct, id: string, props: MskClusterProps) {
    super(scope, id);
    const { options, region, network } = props;
    this.name = `concord-${region}`;
    this.subnetIds = network.vpc.selectSubnets(network.subnets).subnetIds;
    this.securityGroupId = network.groups.kafka.securityGroupId;
    this.brokers = this.subnetIds.length * (options.brokersPerZone ?? 1);
    if (this.brokers < REPLICATION_FACTOR)
      throw new RangeError(
        `${this.brokers} brokers in ${region} cannot hold ${REPLICATION_FACTOR} replicas: use three zones, or more brokersPerZone`,
      );
    this.cluster = this.#cluster(props);
    this.arn = this.cluster.attrArn;
    growStorage(this, this.cluster, storage(options));
  }

  /** What a client of AWS, not of Kafka, asks about the cluster before it connects. */
  lookUp(): PolicyStatement {
    return new PolicyStatement({
      actions: ['kafka:DescribeClusterV2', 'kafka:GetBootstrapBrokers'],
      resources: [this.arn],
    });
  }

  #cluster(props: MskClusterProps): CfnCluster {
    const { options, key } = props;
    const configuration = this.#configuration(props);
    const cluster = new CfnCluster(this, 'Cluster', {
      clusterName: this.name,
      kafkaVersion: options.kafkaVersion ?? DEFAULT_KAFKA_VERSION,
      numberOfBrokerNodes: this.brokers,
      brokerNodeGroupInfo: this.#brokers(options),
      configurationInfo: { arn: configuration.attrArn, revision: configuration.attrLatestRevisionRevision },
      encryptionInfo: {
        encryptionAtRest: { dataVolumeKmsKeyId: key.keyArn },
        encryptionInTransit: { clientBroker: 'TLS', inCluster: true },
      },
      clientAuthentication: {
        sasl: { iam: { enabled: true }, scram: { enabled: true } },
        tls: { enabled: false },
        unauthenticated: { enabled: false },
      },
      enhancedMonitoring: options.monitoring ?? 'PER_BROKER',
      loggingInfo: { brokerLogs: { cloudWatchLogs: { enabled: true, logGroup: this.#logGroup(props).logGroupName } } },
    });
    cluster.applyRemovalPolicy(props.removalPolicy);
    return cluster;
  }

  #brokers(options: MskKafka): CfnCluster.BrokerNodeGroupInfoProperty {
    return {
      instanceType: options.instanceType ?? 'kafka.m7g.large',
      clientSubnets: [...this.subnetIds],
      securityGroups: [this.securityGroupId],
      storageInfo: { ebsStorageInfo: { volumeSize: storage(options).fromGib } },
      ...(options.multiVpc === true && {
        connectivityInfo: {
          vpcConnectivity: {
            clientAuthentication: {
              sasl: { iam: { enabled: true }, scram: { enabled: false } },
              tls: { enabled: false },
            },
          },
        },
      }),
    };
  }

  /** Kept with the cluster that uses it. */
  #configuration({ topology, removalPolicy }: MskClusterProps): CfnConfiguration {
    const configuration = new CfnConfiguration(this, 'Configuration', {
      name: this.name,
      serverProperties: serverProperties(topology),
    });
    configuration.applyRemovalPolicy(removalPolicy);
    return configuration;
  }

  /** The prefix spares the account one of its few resource policies for logs. */
  #logGroup({ options, key }: MskClusterProps): LogGroup {
    return new LogGroup(this, 'Logs', {
      logGroupName: `/aws/vendedlogs/msk/${this.name}`,
      retention: options.logRetention ?? RetentionDays.ONE_MONTH,
      encryptionKey: key,
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }
}

const storage = ({ storageGib = 100, maxStorageGib = 1000 }: MskKafka) => ({
  fromGib: storageGib,
  toGib: Math.max(storageGib, maxStorageGib),
});
