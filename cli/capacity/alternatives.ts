import { type Cost, carrierParts, gbPerMonth, HOURS, writesUsd } from './cost.ts';
import type { Model } from './model.ts';
import type { Prices } from './prices.ts';
import type { Workload } from './workload.ts';

/** The same workload by other means, in USD per month for all regions, without the databases. */
export type Alternative = {
  readonly name: string;
  readonly usd: number;
  readonly parts: string;
  /** Cores of each database for decoding and applying, at the peak; undefined where nothing is known. */
  readonly databaseVcpus: number | undefined;
  readonly ceiling: string;
  readonly lacks: string;
};

/** Rows per second that one vCPU of a JDBC sink, and one dms.c5.large, is taken to bring in: assumptions. */
const SINK_ROWS_PER_S = 5000;
const DMS_ROWS_PER_S = 4000;
/** A task of 1 vCPU and 2 GB; two of them, so that one may fail. */
const TASK_GB = 2;
const LEAST_TASKS = 2;
/** Beside a value: its column's name is sent once per relation, a length with each value. */
const PROTOCOL_COLUMN_BYTES = 5;
const PROTOCOL_ROW_BYTES = 60;
/**
 * PostgreSQL's own apply worker, docs/benchmarks.md of 2026-11-21, quiet: 55,556 rows/s of 1000-row transactions, 6,514 of one-row ones.
 */
const APPLY_ROW_US = 18;
const APPLY_TRANSACTION_US = 135;
/** Of the latter the CPU, an assumption: most of it is the wait for the disk. */
const TRANSACTION_CPU_US = 40;
/** Decoding a row that a slot sends, and one that it drops (model.ts). */
const DECODE_SENT_US = 10;
const DECODE_DROPPED_US = 6;
const PGACTIVE_NODES = 4;

export function alternativesOf(workload: Workload, model: Model, cost: Cost, prices: Prices): Alternative[] {
  return [
    concord(model, cost),
    containers(workload, model, cost, prices),
    dms(workload, model, cost, prices),
    pgactive(workload, prices),
  ];
}

function concord({ peak, connectors }: Model, { added }: Cost): Alternative {
  const { applyVcpus, triggerVcpus, decodeVcpus } = peak.database;
  return {
    name: 'Concord',
    usd: added,
    parts: `${connectors} connector(s) and ${peak.apply.mappings} mappings per region`,
    databaseVcpus: applyVcpus + triggerVcpus + decodeVcpus,
    ceiling: 'see the limits',
    lacks: 'DDL; a run in a real account',
  };
}

/** Debezium, Kafka and links as here; JDBC sinks in containers instead of pollers and functions. */
function containers(workload: Workload, model: Model, cost: Cost, prices: Prices): Alternative {
  const { regions } = workload;
  const carrier = carrierParts(workload, model, prices).reduce(
    (usd, part) => usd + part.usd('hub') + (regions - 1) * part.usd('spoke'),
    0,
  );
  const tasks = Math.max(LEAST_TASKS, Math.ceil(model.peak.apply.changesPerS / SINK_ROWS_PER_S));
  const taskUsd = (prices.fargateVcpu + TASK_GB * prices.fargateGb) * HOURS;
  return {
    name: 'Debezium + sinks on Fargate',
    usd: carrier + regions * tasks * taskUsd + writesUsd(cost),
    parts: `${tasks} tasks of 1 vCPU per region (${SINK_ROWS_PER_S.toLocaleString('en-US')} rows/s each, assumed)`,
    databaseVcpus: undefined,
    ceiling: 'partitions; the connector',
    lacks: 'conflicts (the last to arrive wins, so regions differ), echo of applied rows, tombstones, reconciliation',
  };
}

/** One task per ordered pair of regions, on an instance with a standby in the region that it writes to. */
function dms(
  { regions, writes, peakFactor, rowBytes, columns, nameBytes }: Workload,
  model: Model,
  cost: Cost,
  prices: Prices,
): Alternative {
  const others = regions - 1;
  const instances = Math.max(1, Math.ceil((others * writes * peakFactor) / DMS_ROWS_PER_S));
  // test_decoding prints name, type and value of each column.
  const changeBytes = rowBytes + columns * (nameBytes + 12);
  const traffic = gbPerMonth(regions * others * writes * changeBytes) * prices.interRegion;
  // Each of the slots decodes all that is written, applied rows included.
  const decodedPerS = others * regions * writes * peakFactor;
  return {
    name: 'AWS DMS',
    usd: regions * instances * 2 * prices.dmsInstance * HOURS + traffic + writesUsd(cost),
    parts: `${regions * others} tasks, ${others} slots per database, ${instances} × 2 dms.c5.large per region (${DMS_ROWS_PER_S.toLocaleString('en-US')} rows/s, assumed)`,
    databaseVcpus:
      (decodedPerS * DECODE_SENT_US + others * model.peak.changesPerS * (APPLY_ROW_US + TRANSACTION_CPU_US)) / 1e6,
    ceiling: `${others} slots that each decode everything`,
    lacks:
      'conflict detection and resolution; loop prevention beyond pairs; deletes against concurrent updates; a proof that regions are equal',
  };
}

/** Every node has a slot and an apply worker for every other one. RDS for PostgreSQL, not Aurora. */
function pgactive(
  { regions, writes, peakFactor, rowBytes, columns, changesPerTransaction }: Workload,
  prices: Prices,
): Alternative {
  const others = regions - 1;
  const changeBytes = rowBytes + columns * PROTOCOL_COLUMN_BYTES + PROTOCOL_ROW_BYTES;
  const peak = writes * peakFactor;
  const waitUs = APPLY_ROW_US + APPLY_TRANSACTION_US / changesPerTransaction;
  const applyUs = APPLY_ROW_US + TRANSACTION_CPU_US / changesPerTransaction;
  const decodeUs = DECODE_SENT_US + others * DECODE_DROPPED_US;
  return {
    name: 'pgactive',
    usd: gbPerMonth(regions * others * writes * changeBytes) * prices.interRegion,
    parts: `${others} slots and ${others} apply workers per database; ${regions > PGACTIVE_NODES ? `pgactive.max_nodes raised from ${PGACTIVE_NODES}` : `within pgactive.max_nodes ${PGACTIVE_NODES}`}`,
    databaseVcpus: (others * peak * (applyUs + decodeUs)) / 1e6,
    ceiling: `${Math.round(1e6 / waitUs).toLocaleString('en-US')} rows/s of one origin (one worker, ${changesPerTransaction} per transaction)`,
    lacks:
      'Aurora; a log outside the databases: an absent node holds WAL in all others; secondary unique keys may diverge; policies per column; reconciliation',
  };
}
