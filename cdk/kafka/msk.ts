import { RemovalPolicy } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { encryptLogs } from '../functions/logs-key.ts';
import { clusterAlarms } from './alarms.ts';
import { BootstrapBrokers } from './bootstrap-brokers.ts';
import { publishFacts } from './cluster-facts.ts';
import type { KafkaProps } from './kafka.ts';
import { MskCluster } from './msk-cluster.ts';
import type { MskKafka } from './msk-options.ts';
import { allowReplicators } from './replicator-access.ts';
import { ScramAccount } from './scram-account.ts';
import { createTopics } from './topics.ts';

export type MskProps = Omit<KafkaProps, 'options'> & { readonly options: MskKafka };

/** An MSK cluster with everything that belongs to it. */
export class Msk extends Construct {
  readonly cluster: MskCluster;
  /** `b-1.…:9098,…`, for clients that sign in with IAM. */
  readonly bootstrapServers: string;

  constructor(scope: Construct, id: string, props: MskProps) {
    super(scope, id);
    const { options, topology, region, alarmTopic } = props;
    const removalPolicy = options.removal === 'destroy' ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
    const key = new Key(this, 'Key', {
      description: `Concord: Kafka in ${region}`,
      enableKeyRotation: true,
      removalPolicy,
    });
    encryptLogs(key);
    this.cluster = new MskCluster(this, 'Cluster', { ...props, key, removalPolicy });
    const { arn, name, brokers, subnetIds, securityGroupId } = this.cluster;
    this.bootstrapServers = new BootstrapBrokers(this, 'Bootstrap', this.cluster).iam;
    new ScramAccount(this, 'Scram', { cluster: this.cluster, key, removalPolicy });
    createTopics(this, { clusterArn: arn, topology, removalPolicy });
    if (options.multiVpc === true) allowReplicators(this, arn);
    publishFacts(this, region, {
      clusterArn: arn,
      bootstrapServers: this.bootstrapServers,
      subnetIds,
      securityGroupId,
    });
    clusterAlarms(this, { clusterName: name, brokers, region, alarmTopic });
  }
}
