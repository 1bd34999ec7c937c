import type { Log } from '../log/log.ts';

export type SourceRecord = {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
};

/** What a mapping needs of a topic and a consumer group: little enough that a Kafka cluster can stand behind it. */
export type Source = {
  readonly topic: string;
  readonly partitions: () => readonly number[];
  /** The offset of the next record that the group has to handle; it goes back when the topic has begun anew. */
  readonly committed: (partition: number) => number;
  readonly commit: (partition: number, offset: number) => void | Promise<void>;
  /** The offset behind the newest record known. */
  readonly end: (partition: number) => number;
  /** The same of every partition, asked for anew. */
  readonly ends: () => ReadonlyMap<number, number> | Promise<ReadonlyMap<number, number>>;
  /**
   * Records from an offset on within both limits, but at least one if there is one. `maxBytes` counts keys and values. A lower
   * offset than asked for means that the topic has begun anew.
   */
  readonly read: (
    partition: number,
    fromOffset: number,
    maxRecords: number,
    maxBytes: number,
  ) => readonly SourceRecord[] | Promise<readonly SourceRecord[]>;
  /** Resolves when a partition holds a record at its position or behind, or when the signal is aborted. */
  readonly wait: (positions: ReadonlyMap<number, number>, signal: AbortSignal) => Promise<void>;
  readonly stop: () => void | Promise<void>;
};

export type StartingPosition = 'TRIM_HORIZON' | 'LATEST';

/** A topic of the in-memory log, read by a group; the position counts only for a group that is new. */
export function logSource(log: Log, topic: string, group: string, from: StartingPosition = 'TRIM_HORIZON'): Source {
  log.registerGroup(group, topic, from === 'LATEST' ? 'end' : 'start');
  const partitions = [...Array(log.partitions(topic)).keys()];
  return {
    topic,
    partitions: () => partitions,
    committed: (partition) => log.committed(group, topic, partition),
    commit: (partition, offset) => log.commit(group, topic, partition, offset),
    end: (partition) => log.end(topic, partition),
    ends: () => new Map(partitions.map((partition) => [partition, log.end(topic, partition)])),
    read: (partition, fromOffset, maxRecords, maxBytes) => log.read(topic, partition, fromOffset, maxRecords, maxBytes),
    wait: (positions, signal) => log.waitForData(topic, positions, signal),
    stop: () => undefined,
  };
}
