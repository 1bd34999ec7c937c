import { groupOf, type Topology, topicOf } from '@concord/events';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Network } from '../network/network.ts';
import { lagAlarm } from './alarms.ts';
import { publishBrokers } from './cluster-facts.ts';
import { type ExistingKafka, ExistingLogin } from './existing.ts';
import { grantPollerNetwork } from './mapping-network.ts';
import { Msk } from './msk.ts';
import type { MskKafka } from './msk-options.ts';
import { readTopics } from './policies.ts';

export type { ExistingKafka } from './existing.ts';
export type { MskKafka } from './msk-options.ts';

export type KafkaOptions = MskKafka | ExistingKafka;

export type KafkaProps = {
  readonly options: KafkaOptions;
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly alarmTopic: ITopic;
};

/** What the event source mappings read. */
export type ReadableKafka =
  | { readonly kind: 'msk'; readonly clusterArn: string }
  | {
      readonly kind: 'self-managed';
      readonly bootstrapServers: readonly string[];
      readonly readerSecretArn: string;
      readonly caSecretArn: string | undefined;
    };

export type LagAlarmsProps = {
  /** Consumer groups of this region's mappings, as `groupOf` names them. */
  readonly groups: readonly string[];
  readonly lagAlarmMinutes: number;
  readonly alarmTopic: ITopic;
};

/** A region's brokers, with a topic for every region. */
export class Kafka extends Construct {
  readonly readable: ReadableKafka;
  /** Absent for brokers that are there already: then capture and replication are up to whoever runs them. */
  readonly msk: Msk | undefined;
  readonly #props: KafkaProps;
  readonly #existing: ExistingLogin | undefined;

  constructor(scope: Construct, id: string, props: KafkaProps) {
    super(scope, id);
    this.#props = props;
    const { options, region } = props;
    if (options.kind === 'msk') {
      this.msk = new Msk(this, 'Msk', { ...props, options });
      this.readable = { kind: 'msk', clusterArn: this.msk.cluster.arn };
    } else {
      this.#existing = new ExistingLogin(this, 'Login', options);
      this.readable = this.#existing.readable;
      publishBrokers(this, region, options.bootstrapServers.join(','));
    }
  }

  /**
   * All that event source mappings of `reader` need to read the topics of the regions `from`, each in the group that `groupOf` names. CDK's
   * own event sources would leave out the rights on topics and groups.
   */
  grantMappingRead(reader: IFunction, from: readonly string[]): void {
    const { region, network } = this.#props;
    grantPollerNetwork(reader, network);
    this.#existing?.grantRead(reader);
    if (this.msk === undefined || from.length === 0) return;
    const { cluster } = this.msk;
    const groups = from.map((name) => groupOf(name, region));
    const statements = [cluster.lookUp(), ...readTopics(cluster.arn, from.map(topicOf), groups)];
    for (const statement of statements) reader.addToRolePolicy(statement);
  }

  /** Nothing for brokers that are there already: their lag is known to whoever runs them. */
  lagAlarms(scope: Construct, { groups, lagAlarmMinutes, alarmTopic }: LagAlarmsProps): void {
    const { topology, region } = this.#props;
    if (this.msk === undefined) return;
    for (const { name } of topology.regions) {
      const group = groupOf(name, region);
      if (groups.includes(group))
        lagAlarm(scope, {
          ...{ group, alarmTopic, clusterName: this.msk.cluster.name },
          topic: topicOf(name),
          minutes: lagAlarmMinutes,
        });
    }
  }
}
