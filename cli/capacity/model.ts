import { type RecordSizes, recordSizes } from './record-size.ts';
import { instanceOf, type Workload } from './workload.ts';

/** Every 5 s the connector updates one row per partition. */
const HEARTBEAT_S = 5;
/** Lambda: records and bytes of one payload, and what one event poller carries. */
const BATCH_RECORDS = 10_000;
const PAYLOAD_BYTES = 6_000_000;
const POLLER_BYTES_PER_S = 5_000_000;
const POLLER_CONCURRENCY = 5;
/** `pollers.maximum` of cdk/. */
const MAX_POLLERS = 4;
/** One event poller unit. */
const UNIT_POLLERS = 10;
const UNIT_BYTES_PER_S = 20_000_000;
/** The triggers of a `lww` table, and decoding WAL in the slot's walsender: what is published, and what its row filter drops. */
const INSERT_TRIGGER_US = 12;
const UPDATE_TRIGGER_US = 8.5;
const DECODE_OWN_US = 10;
const DECODE_APPLIED_US = 6;
/** WAL of an applied row beside its content (of an update twice: replica identity full), and of a batch; without full-page images. */
const ROW_WAL_BYTES = 160;
const BATCH_WAL_BYTES = 800;
/** Aurora counts 4 KiB of WAL as one write, and each commit as one at least. */
const AURORA_WRITE_BYTES = 4096;
const DAY_S = 86_400;
/** A night's run collects what is below the horizon: a tombstone stays for up to two days. */
const TOMBSTONE_DAYS = 2;
/** `limits.conflictDays`. */
const CONFLICT_DAYS = 90;
/** Columns that enrolling adds, without the vector, and one entry of the vector, as they are stored. */
const STAMP_STORED_BYTES = 55;
const ENTRY_STORED_BYTES = 37;

/** Hub and spokes differ in what they copy: the hub hears each spoke, and hands on to each spoke all others. */
export type Role = 'hub' | 'spoke';

export type Rates = {
  readonly changesPerS: number;
  readonly recordsPerS: number;
  /** Of a region's own topic. */
  readonly topicBytesPerS: number;
  readonly kafkaInBytesPerS: number;
  readonly kafkaOutBytesPerS: Readonly<Record<Role, number>>;
  /** Into a region from other regions, and out of it. */
  readonly linkInBytesPerS: Readonly<Record<Role, number>>;
  readonly linkOutBytesPerS: Readonly<Record<Role, number>>;
  readonly apply: ApplyRates;
  readonly database: DatabaseRates;
};

/** Of a region: all mappings together, unless it says otherwise. */
type ApplyRates = {
  readonly mappings: number;
  /** Rows of other regions, without heartbeats. */
  readonly changesPerS: number;
  readonly recordsPerBatch: number;
  readonly batchesPerS: number;
  readonly batchMs: number;
  readonly concurrent: number;
  /** While it catches up: one batch per partition, as far as the pollers go. */
  readonly catchUpConcurrent: number;
  readonly payloadBytesPerS: number;
  readonly pollersPerMapping: number;
  readonly units: number;
};

type DatabaseRates = {
  readonly applyVcpus: number;
  readonly triggerVcpus: number;
  readonly decodeVcpus: number;
  /** Of the rows that apply writes. */
  readonly applyWalBytesPerS: number;
  readonly applyWritesPerS: number;
};

type Storage = {
  /** On all brokers of a region together, all copies. */
  readonly kafkaBytes: number;
  readonly tombstoneBytes: number;
  readonly conflictBytes: number;
  readonly stampBytes: number;
};

export type Model = {
  readonly sizes: RecordSizes;
  /** Mean of rows and tombstones. */
  readonly recordBytes: number;
  readonly average: Rates;
  readonly peak: Rates;
  readonly storage: Storage;
  readonly connectors: number;
};

export const REPLICATION_FACTOR = 3;

/** What a workload asks of each part, per region: the mean for the bill, the peak for the capacity. Sizes do not depend on the writes. */
export function modelOf(workload: Workload, sizes: RecordSizes = recordSizes(workload)): Model {
  const average = ratesOf(workload, sizes, workload.writes);
  const peak = ratesOf(workload, sizes, workload.writes * workload.peakFactor);
  return {
    sizes,
    recordBytes: mixed(workload, sizes, 'kafka'),
    average,
    peak,
    storage: storageOf(workload, sizes, average),
    connectors: Math.max(1, Math.ceil(peak.changesPerS / workload.connectorCeiling)),
  };
}

const mixed = ({ deleteShare }: Workload, { row, tombstone }: RecordSizes, in_: 'kafka' | 'payload'): number =>
  (1 - deleteShare) * row[in_] + deleteShare * tombstone[in_];

function ratesOf(workload: Workload, sizes: RecordSizes, changesPerS: number): Rates {
  const others = workload.regions - 1;
  const beatsPerS = workload.partitions / HEARTBEAT_S;
  const topicBytesPerS = changesPerS * mixed(workload, sizes, 'kafka') + beatsPerS * sizes.heartbeat.kafka;
  const payloadPerMapping = changesPerS * mixed(workload, sizes, 'payload') + beatsPerS * sizes.heartbeat.payload;
  const copied = topicBytesPerS * workload.copyRatio;
  // What a spoke wrote reaches the hub as it is; the hub hands its own on as it is, and its copies of the others.
  const toEachSpoke = topicBytesPerS + (others - 1) * copied;
  const linkOutBytesPerS = { hub: others * toEachSpoke, spoke: topicBytesPerS };
  const read = others * copied;
  const apply = applyRates(workload, changesPerS, beatsPerS, payloadPerMapping);
  return {
    changesPerS,
    recordsPerS: changesPerS + beatsPerS,
    topicBytesPerS,
    kafkaInBytesPerS: topicBytesPerS + read,
    kafkaOutBytesPerS: { hub: read + linkOutBytesPerS.hub, spoke: read + linkOutBytesPerS.spoke },
    linkInBytesPerS: { hub: others * topicBytesPerS, spoke: toEachSpoke },
    linkOutBytesPerS,
    apply,
    database: databaseRates(workload, changesPerS, apply),
  };
}

function applyRates(workload: Workload, changesPerS: number, beatsPerS: number, payloadPerMapping: number): ApplyRates {
  const mappings = workload.regions - 1;
  const recordsPerS = changesPerS + beatsPerS;
  const most = Math.min(BATCH_RECORDS, PAYLOAD_BYTES / (payloadPerMapping / recordsPerS));
  const recordsPerBatch = Math.min(most, Math.max(1, (recordsPerS * workload.batchMs) / 1000));
  const batchesPerS = recordsPerS / recordsPerBatch;
  const rowsUs = recordsPerBatch * (workload.lambdaRowUs + workload.databaseRowUs);
  const batchMs = workload.batchWaitMs + rowsUs / 1000;
  const concurrentPerMapping = (batchesPerS * batchMs) / 1000;
  const pollersPerMapping = Math.max(
    1,
    Math.ceil(payloadPerMapping / POLLER_BYTES_PER_S),
    Math.ceil(concurrentPerMapping / POLLER_CONCURRENCY),
  );
  const payloadBytesPerS = mappings * payloadPerMapping;
  return {
    mappings,
    changesPerS: mappings * changesPerS,
    recordsPerBatch,
    batchesPerS: mappings * batchesPerS,
    batchMs,
    concurrent: mappings * concurrentPerMapping,
    catchUpConcurrent: mappings * Math.min(workload.partitions, MAX_POLLERS * POLLER_CONCURRENCY),
    payloadBytesPerS,
    pollersPerMapping,
    units: Math.max(
      Math.ceil((mappings * pollersPerMapping) / UNIT_POLLERS),
      Math.ceil(payloadBytesPerS / UNIT_BYTES_PER_S),
    ),
  };
}

function databaseRates(workload: Workload, changesPerS: number, apply: ApplyRates): DatabaseRates {
  const { updateShare, databaseRowUs, databaseBatchUs } = workload;
  const triggerUs = updateShare * UPDATE_TRIGGER_US + (1 - updateShare) * INSERT_TRIGGER_US;
  const applyWalBytesPerS =
    apply.changesPerS * ((1 + updateShare) * storedRowBytes(workload) + ROW_WAL_BYTES) +
    apply.batchesPerS * BATCH_WAL_BYTES;
  return {
    applyVcpus: (apply.changesPerS * databaseRowUs + apply.batchesPerS * databaseBatchUs) / 1e6,
    triggerVcpus: (changesPerS * triggerUs) / 1e6,
    decodeVcpus: (changesPerS * DECODE_OWN_US + apply.changesPerS * DECODE_APPLIED_US) / 1e6,
    applyWalBytesPerS,
    applyWritesPerS: Math.max(apply.batchesPerS, applyWalBytesPerS / AURORA_WRITE_BYTES),
  };
}

const storedStampBytes = ({ vectorEntries }: Workload): number =>
  STAMP_STORED_BYTES + vectorEntries * ENTRY_STORED_BYTES;
const storedRowBytes = (workload: Workload): number => workload.rowBytes + storedStampBytes(workload);

function storageOf(workload: Workload, sizes: RecordSizes, { kafkaInBytesPerS }: Rates): Storage {
  const { writes, regions, deleteShare, conflictShare, retentionHours, tableRows } = workload;
  const everywherePerS = regions * writes;
  return {
    kafkaBytes: kafkaInBytesPerS * retentionHours * 3600 * REPLICATION_FACTOR,
    tombstoneBytes:
      everywherePerS * deleteShare * TOMBSTONE_DAYS * DAY_S * (sizes.imageBytes + storedStampBytes(workload)),
    conflictBytes: everywherePerS * conflictShare * CONFLICT_DAYS * DAY_S * 2 * sizes.row.kafka,
    stampBytes: tableRows * storedStampBytes(workload),
  };
}

/** Cores that replication takes of a region's database, over those that it has. */
export function databaseShare(workload: Workload, { applyVcpus, triggerVcpus, decodeVcpus }: DatabaseRates): number {
  return (applyVcpus + triggerVcpus + decodeVcpus) / instanceOf(workload).vcpus;
}
