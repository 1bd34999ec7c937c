import { type Limits, type Topology, topicOf } from '@concord/events';

const HOUR_MS = 3_600_000;
/** What the size transform may leave of a row: 4 MB of values that it does not touch, and their names. */
const LEAST_MESSAGE_BYTES = 5_242_880;

/** The largest record that producer and topic let through. A smaller limit would stop the connector, where apply only parks. */
export const maxMessageBytes = (limits: Pick<Limits, 'maxRecordBytes'>): number =>
  Math.max(LEAST_MESSAGE_BYTES, limits.maxRecordBytes);

export type TopicSettings = {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
};

/** What a cluster says of a topic; `configs` holds at least the effective values of `TOPIC_CONFIGS`. */
export type ActualTopic = { readonly partitions: number; readonly configs: Readonly<Record<string, string>> };

export type TopicProblem = {
  readonly setting: string;
  readonly expected: string;
  readonly reported: string;
  readonly consequence: string;
};

/** The topic of a region's changes, for everybody who creates it: CDK, the local stack, tests. */
export function topicSettings(
  topology: Pick<Topology, 'topics' | 'limits'>,
  region: string,
  { replicationFactor }: { readonly replicationFactor: number },
): TopicSettings {
  return {
    name: topicOf(region),
    partitions: topology.topics.partitions,
    replicationFactor,
    configs: {
      // Never compacted: a losing version has to arrive, or its conflict is not logged.
      'cleanup.policy': 'delete',
      'retention.ms': String(topology.topics.retentionHours * HOUR_MS),
      // Retention is by time only: bytes would make the outage that a region survives depend on the write rate.
      'retention.bytes': '-1',
      'max.message.bytes': String(maxMessageBytes(topology.limits)),
      // With acks=all: an acknowledged change is on two brokers, wherever there are three.
      'min.insync.replicas': String(Math.max(1, replicationFactor - 1)),
      'unclean.leader.election.enable': 'false',
    },
  };
}

const below = (expected: string, reported: string): boolean => Number(reported) < Number(expected);
const differs = (expected: string, reported: string): boolean => expected !== reported;

type Rule = { readonly wrong: (expected: string, reported: string) => boolean; readonly consequence: string };

const RULES: Readonly<Record<string, Rule>> = {
  'cleanup.policy': {
    wrong: differs,
    consequence: 'compaction drops versions that lost before anybody logged the conflict',
  },
  'retention.ms': {
    // -1 is for ever.
    wrong: (expected, reported) => reported !== '-1' && below(expected, reported),
    consequence: 'a region that is away for longer than this loses changes',
  },
  'retention.bytes': {
    wrong: differs,
    consequence: 'a burst of writes deletes changes that a region has not read yet',
  },
  'max.message.bytes': { wrong: below, consequence: 'a large row stops the connector, and everything behind it' },
  'min.insync.replicas': { wrong: below, consequence: 'an acknowledged change may be on one broker only, and be lost' },
  'unclean.leader.election.enable': {
    wrong: differs,
    consequence: 'a broker that lags may become leader and drop changes',
  },
};

/** The configurations to ask a cluster for before `checkTopic`. */
export const TOPIC_CONFIGS: readonly string[] = Object.keys(RULES);

/** Where a topic differs from the topology in a way that loses, reorders or refuses changes; `undefined` is a missing topic. */
export function checkTopic(expected: TopicSettings, actual: ActualTopic | undefined): TopicProblem[] {
  if (actual === undefined) {
    const consequence = 'the connector fails, or an auto-created topic has another partition count';
    return [{ setting: 'topic', expected: expected.name, reported: 'missing', consequence }];
  }
  const problems: TopicProblem[] = [];
  if (actual.partitions !== expected.partitions)
    problems.push({
      setting: 'partitions',
      expected: String(expected.partitions),
      reported: String(actual.partitions),
      consequence:
        'rows change their partition, so an older version may overtake a newer one, and heartbeats miss partitions',
    });
  for (const [setting, { wrong, consequence }] of Object.entries(RULES)) {
    const [want, is] = [expected.configs[setting] ?? '', actual.configs[setting] ?? 'unknown'];
    if (wrong(want, is) || is === 'unknown') problems.push({ setting, expected: want, reported: is, consequence });
  }
  return problems;
}
