import type { RetentionDays } from 'aws-cdk-lib/aws-logs';

/**
 * An MSK cluster of standard brokers, one per zone. Prices are those of us-east-1.
 *
 * Not Express brokers: twice the price at the smallest size (3 × express.m7g.large about 900 USD/month, plus 0.01 USD per GB written)
 * for throughput that changes of a database do not need, and they refuse `min.insync.replicas` and `unclean.leader.election.enable`
 * on a topic, which `connector/topics.ts` sets and checks. Not Serverless: no SCRAM, no topics by CloudFormation.
 */
export type MskKafka = {
  readonly kind: 'msk';
  /**
   * Default kafka.m7g.large: three cost about 450 USD/month and take tens of MB/s and 1,000 partitions each; eight regions with eight
   * partitions need 192 replicas in all. Where a region has no m7g: kafka.m5.large. MSK Replicator does not take t3.
   */
  readonly instanceType?: `kafka.${'m7g' | 'm5'}.${string}`;
  /** Default 1, that is three brokers in three zones. They can become more, not fewer. */
  readonly brokersPerZone?: number;
  /**
   * Default 3.9.x.kraft: the last 3.x, which AWS supports longest of them; takes the clients of MSK Connect 3.7 and Lambda, and the topics
   * of CloudFormation (from 3.6 on). KRaft, because a cluster with ZooKeeper can never become 4.x.
   */
  readonly kafkaVersion?: `${string}.kraft`;
  /** GiB per broker, default 100: about 30 USD/month for three. */
  readonly storageGib?: number;
  /** It grows by itself at 60 % up to this, never back; default 1000. A week's changes of all regions are on each broker. */
  readonly maxStorageGib?: number;
  /** Default PER_BROKER, about 40 USD/month: says which broker lags. Consumer lag is in DEFAULT, which costs nothing. */
  readonly monitoring?: 'DEFAULT' | 'PER_BROKER' | 'PER_TOPIC_PER_BROKER' | 'PER_TOPIC_PER_PARTITION';
  /** Of the brokers' log, default a month. */
  readonly logRetention?: RetentionDays;
  /**
   * Default false. MSK Replicator reads a cluster of another region only through private connectivity, which MSK refuses to switch on
   * while it creates a cluster ("When creating a cluster, all vpcConnectivity auth schemes must be disabled"). So: deploy, set this
   * to true, deploy again (it takes up to an hour), then deploy the replication. Do not switch it off under a replicator.
   */
  readonly multiVpc?: boolean;
  /** Default `retain`: brokers and topics outlive the stack. `destroy` is for trials, whose records nobody will miss. */
  readonly removal?: 'retain' | 'destroy';
};

/** The version as a cluster gets it. */
export const DEFAULT_KAFKA_VERSION = '3.9.x.kraft';
