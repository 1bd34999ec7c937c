import { type Topology, topicOf } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { checkSettings } from '../connector/check-settings.ts';
import { connectorName, slotName } from '../connector/names.ts';
import { withoutSecrets } from '../connector/request.ts';
import { connectorStatus, firstLines, reportedSettings, storedOffset } from '../connector/rest.ts';
import { type ActualTopic, checkTopic, TOPIC_CONFIGS, topicSettings } from '../connector/topics.ts';
import { checkSlot } from '../functions/enroll/check-slot.ts';
import { checkPublication, type PublicationProblem } from '../functions/enroll/publication.ts';
import { Failure } from './failure.ts';

/** What is wrong in which part of a region's capture, what it does to the data, and what to do. */
export type Problem = {
  readonly part: 'connector' | 'setting' | 'publication' | 'slot' | 'topic';
  readonly what: string;
  readonly reason: string;
  readonly consequence: string;
  readonly hint: string;
};

type Settings = Readonly<Record<string, string>>;

export type CheckOptions = {
  readonly sql: Sql;
  readonly topology: Topology;
  readonly region: string;
  /** What the topology asks for. */
  readonly settings: Settings;
  /** REST URL of the Connect worker. */
  readonly connect: string;
  readonly kafka: string | undefined;
};

export const problemLines = (problems: readonly Problem[]): string =>
  problems
    .map(
      ({ part, what, reason, consequence, hint }) =>
        `${part.padEnd(11)} ${what}: ${reason}\n            means: ${consequence}\n            hint: ${hint}`,
    )
    .join('\n');

export const publicationProblem = ({ table, reason, consequence, hint }: PublicationProblem): Problem => ({
  part: 'publication',
  what: table ?? 'concord',
  reason,
  consequence,
  hint,
});

/** Everything between a commit in this region and its topic that is not as the topology says. Reads only. */
export async function checkConnector(options: CheckOptions): Promise<Problem[]> {
  const { sql, topology, region, connect, kafka } = options;
  const name = connectorName(region);
  const reported = await reportedSettings(connect, name);
  const stored = async (): Promise<bigint | undefined> =>
    reported === undefined ? undefined : positionOf(await storedOffset(connect, name));
  return [
    ...(reported === undefined ? [absent(name)] : await connectorProblems(options, name, reported)),
    ...(await checkPublication(sql, topology)).map(publicationProblem),
    ...(await checkSlot(sql, slotName(region), stored)).map((problem) => ({
      part: 'slot' as const,
      what: slotName(region),
      ...problem,
    })),
    ...(kafka === undefined ? [] : await topicProblems(options, kafka)),
  ];
}

const STOPPED = 'no change leaves this region, and its WAL grows';

const absent = (name: string): Problem => ({
  part: 'connector',
  what: name,
  reason: 'Connect has no connector of this name',
  consequence: STOPPED,
  hint: 'register it: `concord connector register`',
});

async function connectorProblems(options: CheckOptions, name: string, reported: Settings): Promise<Problem[]> {
  const status = await connectorStatus(options.connect, name);
  const parts = [
    { what: name, part: status?.connector },
    ...(status?.tasks.length === 0 ? [{ what: `${name} task 0`, part: undefined }] : []),
    ...(status?.tasks ?? []).map((task) => ({ what: `${name} task ${task.id}`, part: task })),
  ];
  const states = parts
    .filter(({ part }) => part?.state !== 'RUNNING')
    .map(({ what, part }) => ({
      part: 'connector' as const,
      what,
      reason: [part?.state ?? 'it does not exist', withoutSecrets(firstLines(part?.trace ?? ''), reported)]
        .filter((text) => text !== '')
        .join(': '),
      consequence: STOPPED,
      hint: 'mend the last cause, then register it again',
    }));
  return [...states, ...settingProblems(options.settings, reported)];
}

/** How the producer logs in is between the operator and the brokers; the topology knows nothing of it. */
const isLogin = (setting: string): boolean => /^producer\.override\.(security|sasl|ssl|bootstrap)\./.test(setting);

const settingProblems = (expected: Settings, reported: Settings): Problem[] =>
  checkSettings(expected, Object.fromEntries(Object.entries(reported).filter(([setting]) => !isLogin(setting)))).map(
    ({ setting, expected: wanted, reported: is, consequence }) => ({
      part: 'setting',
      what: setting,
      reason: `${is === undefined ? 'it is missing' : `it is ${is}`}${wanted === undefined ? ' and should not be there' : ` and should be ${wanted}`}`,
      consequence,
      hint: '`concord connector register --replace` sets it',
    }),
  );

/** The furthest position that a stored offset of Debezium holds. */
function positionOf(offset: Readonly<Record<string, unknown>> | undefined): bigint | undefined {
  const positions = ['lsn', 'lsn_proc', 'lsn_commit'].flatMap((name) => {
    const value = offset?.[name];
    return typeof value === 'number' || typeof value === 'string' ? [BigInt(value)] : [];
  });
  return positions.reduce<bigint | undefined>(
    (most, next) => (most === undefined || next > most ? next : most),
    undefined,
  );
}

async function topicProblems({ topology, region }: CheckOptions, kafka: string): Promise<Problem[]> {
  const actual = await readTopic(kafka, topicOf(region));
  const expected = topicSettings(topology, region, { replicationFactor: actual?.replicas ?? 1 });
  return checkTopic(expected, actual).map(({ setting, expected: wanted, reported, consequence }) => ({
    part: 'topic',
    what: `${expected.name} ${setting}`,
    reason: `it is ${reported} and should be ${wanted}`,
    consequence,
    hint:
      setting === 'partitions'
        ? 'make a new topic while nothing is captured, or set `topics.partitions` of the topology to what is there'
        : 'alter the topic: kafka-configs.sh --alter, or kafka-topics.sh --create',
  }));
}

async function readTopic(
  kafka: string,
  topic: string,
): Promise<(ActualTopic & { readonly replicas: number }) | undefined> {
  const { ConfigResourceTypes } = (await import('kafkajs')).default;
  const { kafkaClient } = await import('../local/kafka/client.ts');
  const admin = kafkaClient({ bootstrap: kafka, retries: 2 }).admin();
  try {
    await admin.connect();
    // Asking for the metadata of a topic that is not there may create it.
    if (!(await admin.listTopics()).includes(topic)) return undefined;
    const [metadata] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics;
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [...TOPIC_CONFIGS] }];
    const described = await admin.describeConfigs({ includeSynonyms: false, resources });
    const entries = described.resources.flatMap(({ configEntries }) => configEntries);
    return {
      partitions: metadata?.partitions.length ?? 0,
      replicas: metadata?.partitions[0]?.replicas.length ?? 1,
      configs: Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue])),
    };
  } catch (error) {
    throw new Failure(`cannot ask the brokers: ${(error as Error).message}`, 'is --kafka a listener without login?');
  } finally {
    await admin.disconnect();
  }
}
