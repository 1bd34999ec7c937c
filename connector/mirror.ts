import type { Topology } from '@concord/events';
import { IAM_SETTINGS, prefixed, type ScramLogin, scramSettings } from './login.ts';
import { type ReplicationFlow, topicPattern } from './replication.ts';
import { maxMessageBytes } from './topics.ts';

type Settings = Readonly<Record<string, string>>;

export type MirrorCluster = {
  /** `host:port,…` of a listener for this login. */
  readonly bootstrap: string;
  /** `iam`: as the connector's role. `none`: neither login nor TLS. */
  readonly login: ScramLogin | 'iam' | 'none';
};

export type MirrorOptions = {
  readonly topology: Pick<Topology, 'limits'>;
  /** One of `replicationFlows`. */
  readonly flow: ReplicationFlow;
  readonly from: MirrorCluster;
  /** The worker's own cluster, in the region that the records come to. */
  readonly into: MirrorCluster;
  /** Default 60. */
  readonly refreshSeconds?: number;
  /** Of the topic that MirrorMaker makes for itself, default 3. */
  readonly replicationFactor?: number;
};

export const MIRROR_CLASS = 'org.apache.kafka.connect.mirror.MirrorSourceConnector';

/** `mirrorName({ from: 'us-east-1', into: 'eu-west-1' })` is `concord-mirror-us-east-1-to-eu-west-1`. */
export const mirrorName = ({ from, into }: Pick<ReplicationFlow, 'from' | 'into'>): string =>
  `concord-mirror-${from}-to-${into}`;

const TASKS = 4;

/**
 * All settings of a MirrorMaker 2 source connector for one flow, where MSK Replicator cannot copy: between accounts, or clusters that
 * are not MSK. It runs beside the cluster that it writes to and needs no more than to read the other one. Heartbeats and checkpoints
 * are connectors of their own, which nobody makes.
 */
export function mirrorSettings(options: MirrorOptions): Settings {
  const { flow, from, into, refreshSeconds = 60, replicationFactor = 3 } = options;
  return {
    'connector.class': MIRROR_CLASS,
    'tasks.max': String(TASKS),
    'source.cluster.alias': flow.from,
    'target.cluster.alias': flow.into,
    ...prefixed('source.cluster.', clusterSettings(from)),
    ...prefixed('target.cluster.', clusterSettings(into)),
    ...names(flow, refreshSeconds),
    ...ownTopic(replicationFactor),
    ...bytes(),
    ...delivery(maxMessageBytes(options.topology.limits)),
    // Connect's own producer writes as the worker does, which on MSK Connect is IAM or nobody.
    ...(typeof into.login === 'string' ? {} : prefixed('producer.override.', scramSettings(into.login))),
  };
}

const clusterSettings = ({ bootstrap, login }: MirrorCluster): Settings => ({
  'bootstrap.servers': bootstrap,
  ...(login === 'none' ? {} : login === 'iam' ? IAM_SETTINGS : scramSettings(login)),
});

/** The same names on both sides; so MirrorMaker itself sees no loop, and the list must not have one. */
const names = ({ topics }: ReplicationFlow, refreshSeconds: number): Settings => ({
  'replication.policy.class': 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy',
  topics: topics.map(topicPattern).join(','),
  // A topic of the list that is made later is found by then.
  'refresh.topics.enabled': 'true',
  'refresh.topics.interval.seconds': String(refreshSeconds),
  // Each region has its own accounts, and topics are made with the settings of `topics.ts` everywhere.
  'sync.topic.acls.enabled': 'false',
  'sync.topic.configs.enabled': 'false',
});

/**
 * `mm2-offset-syncs.<from>.internal`: positions of one cluster in the other, for groups that move over. Nobody does, but Kafka
 * 3.7, which MSK Connect runs, cannot turn it off. Later versions can, and then refuse what is said about the topic here.
 */
const ownTopic = (replicationFactor: number): Settings => ({
  // So the account that reads needs no right to write.
  'offset-syncs.topic.location': 'target',
  'offset-syncs.topic.replication.factor': String(replicationFactor),
  'replication.factor': String(replicationFactor),
});

/** Keys, values and headers as they are. */
const bytes = (): Settings => ({
  'key.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
  'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
  'header.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
});

const delivery = (maxBytes: number): Settings => ({
  'errors.tolerance': 'none',
  // Records that were there before the connector are copied as well.
  'source.consumer.auto.offset.reset': 'earliest',
  'producer.override.acks': 'all',
  // With it five requests in flight keep the order of a partition.
  'producer.override.enable.idempotence': 'true',
  'producer.override.max.in.flight.requests.per.connection': '5',
  'producer.override.compression.type': 'none',
  'producer.override.linger.ms': '5',
  'producer.override.max.request.size': String(maxBytes),
});
