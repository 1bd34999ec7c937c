import { consumerGroups } from './groups.ts';
import { createPartition, type LogRecord, type Partition } from './partition.ts';
import { partitioner } from './partitioner.ts';
import { type Positions, waitingRoom } from './waiting-room.ts';

export type { LogRecord } from './partition.ts';

/** Strings are kept as their UTF-8 bytes. */
export type Bytes = string | Buffer;

export type Log = {
  /** Throws when the topic exists or `partitions` is not a whole number from 1 on. */
  readonly createTopic: (topic: string, partitions: number) => void;
  /** With its records and groups. */
  readonly deleteTopic: (topic: string) => void;
  readonly topics: () => string[];
  readonly partitions: (topic: string) => number;
  /** Without `partition`, the key chooses it as Kafka's default partitioner would; records without a key take turns. */
  readonly append: (
    topic: string,
    key: Bytes | null,
    value: Bytes | null,
    timestampMs: number,
    partition?: number,
  ) => { readonly partition: number; readonly offset: number };
  /**
   * Records from `fromOffset` on: at most `maxRecords`, and as many as fit `maxBytes` of keys and values, but at least one
   * if there is one. Throws a RangeError when `fromOffset` has been trimmed.
   */
  readonly read: (
    topic: string,
    partition: number,
    fromOffset: number,
    maxRecords: number,
    maxBytes: number,
  ) => readonly LogRecord[];
  /** The first offset that can still be read. */
  readonly start: (topic: string, partition: number) => number;
  /** The offset that the next record gets. */
  readonly end: (topic: string, partition: number) => number;
  /** Resolves when one of the partitions holds a record at its position or behind, or when the signal is aborted. */
  readonly waitForData: (topic: string, positions: Positions, signal?: AbortSignal) => Promise<void>;
  /** A group holds back the trimming of its topic from now on. Registering it again changes nothing. */
  readonly registerGroup: (group: string, topic: string, from: 'start' | 'end') => void;
  readonly removeGroup: (group: string, topic: string) => void;
  /** The offset of the next record that the group has to handle. Throws for a group that is not registered. */
  readonly committed: (group: string, topic: string, partition: number) => number;
  /** Moves the group, back as well, to any offset from `start` to `end`. */
  readonly commit: (group: string, topic: string, partition: number, offset: number) => void;
};

export type LogOptions = {
  /** `committed`: what every group of the topic has committed is dropped. A topic without groups keeps everything. */
  readonly retain: 'all' | 'committed';
};

type Topic = {
  readonly name: string;
  readonly partitions: readonly Partition[];
  readonly groups: ReturnType<typeof consumerGroups>;
  readonly waiting: ReturnType<typeof waitingRoom>;
  readonly choose: (key: Bytes | null) => number;
};

function partitionAt({ name, partitions }: Topic, index: number): Partition {
  const partition = partitions[index];
  if (!partition) throw new RangeError(`topic '${name}' has partitions 0 to ${partitions.length - 1}, not ${index}`);
  return partition;
}

function newTopic(name: string, count: number): Topic {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`a topic needs at least one partition, not ${count}`);
  const partitions = Array.from({ length: count }, createPartition);
  const end = (partition: number): number => partitions[partition]?.end() ?? 0;
  return {
    name,
    partitions,
    groups: consumerGroups(name, partitions),
    waiting: waitingRoom(end),
    choose: partitioner(count),
  };
}

const toBuffer = (bytes: Bytes | null): Buffer | null => (typeof bytes === 'string' ? Buffer.from(bytes) : bytes);

/** An append-only log in memory with Kafka's shape: topics, partitions, offsets, keys that keep a row's order, groups. */
export function createLog({ retain }: LogOptions): Log {
  const topics = new Map<string, Topic>();
  const at = (name: string): Topic => {
    const topic = topics.get(name);
    if (!topic) throw new Error(`topic '${name}' does not exist`);
    return topic;
  };
  const trim = ({ groups, partitions }: Topic, index: number): void => {
    if (retain === 'committed') partitions[index]?.trimTo(groups.lowest(index) ?? 0);
  };
  return {
    createTopic: (name, partitions) => {
      if (topics.has(name)) throw new Error(`topic '${name}' exists already`);
      topics.set(name, newTopic(name, partitions));
    },
    deleteTopic: (name) => {
      at(name);
      topics.delete(name);
    },
    topics: () => [...topics.keys()],
    partitions: (name) => at(name).partitions.length,
    append: (name, key, value, timestampMs, chosen) => {
      const topic = at(name);
      const partition = chosen ?? topic.choose(key);
      const record = { timestampMs, key: toBuffer(key), value: toBuffer(value) };
      const offset = partitionAt(topic, partition).append(record);
      topic.waiting.appended(partition, offset);
      return { partition, offset };
    },
    read: (name, partition, fromOffset, maxRecords, maxBytes) =>
      partitionAt(at(name), partition).read(fromOffset, maxRecords, maxBytes),
    start: (name, partition) => partitionAt(at(name), partition).start(),
    end: (name, partition) => partitionAt(at(name), partition).end(),
    waitForData: (name, positions, signal) => at(name).waiting.wait(positions, signal),
    registerGroup: (group, name, from) => at(name).groups.register(group, from),
    removeGroup: (group, name) => {
      const topic = at(name);
      topic.groups.remove(group);
      for (const index of topic.partitions.keys()) trim(topic, index);
    },
    committed: (group, name, partition) => at(name).groups.committed(group, partition),
    commit: (group, name, partition, offset) => {
      const topic = at(name);
      topic.groups.commit(group, partition, offset);
      trim(topic, partition);
    },
  };
}
