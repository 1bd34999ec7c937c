import type { Topology } from '@concord/events';
import type { Source } from '../mapping/source.ts';
import type { Region } from '../region/database.ts';

/** The capture of one region: reads what was written there and appends it to the region's topic. */
export type RegionCapture = {
  /** Changes appended so far, as far as known here. */
  readonly captured: () => number;
  /** When the newest of them committed. */
  readonly lastCommitAt: () => Date | undefined;
  /** Resolves when everything that committed up to `lsn` is in the topic. Rejects when the capture ends before. */
  readonly caughtUpTo: (lsn: string) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** What carries the changes of every region to all others: in this process, or real Kafka and Debezium beside it. */
export type Carrier = {
  /** Begins to capture a region: nothing that commits afterwards is missed. */
  readonly capture: (region: Region) => Promise<RegionCapture>;
  /** The topic of region `from`, as the consumer group of region `into` reads it, from its beginning. */
  readonly source: (from: string, into: string) => Promise<Source>;
  /** Writes a record that no capture made to a region's topic. */
  readonly append: (region: string, key: string | null, value: string | null) => Promise<void>;
  /** Changes in a region's topic: all records that are no heartbeats. */
  readonly changes: (region: string) => Promise<number>;
  /** Where regions may come, go and come back while the others work: not in every carrier. */
  readonly topics?: CarrierTopics;
  readonly stop: () => Promise<void>;
};

/** Nobody may read or write what is changed here: the mappings concerned are stopped. */
export type CarrierTopics = {
  /** Makes a region's topic, anew where it exists: then all that was in it is gone. */
  readonly make: (region: string) => void;
  readonly remove: (region: string) => void;
  /** Region `into` reads the topic of `from` no more. */
  readonly forget: (from: string, into: string) => void;
  /** Sets the consumer group of `into` to an offset of each partition, or to the first one that is left. */
  readonly seek: (from: string, into: string, offsets: ReadonlyMap<number, number>) => void;
};

export type CarrierOptions = {
  readonly topology: Topology;
  readonly regions: readonly Region[];
  /** Something that mends itself went wrong. */
  readonly onWarning: (message: string) => void;
};

/** Makes the topics of all regions. */
export type StartCarrier = (options: CarrierOptions) => Promise<Carrier>;
