/** `standard`, `express`: MSK Provisioned with three brokers or more. `serverless`: MSK Serverless, which cdk/ does not make. */
export const KAFKA_FLAVOURS = ['standard', 'express', 'serverless'] as const;
export type KafkaFlavour = (typeof KAFKA_FLAVOURS)[number];

/** What copies topics between the regions' clusters: MSK Replicator, or MirrorMaker 2 on MSK Connect. */
export const LINKS = ['replicator', 'mirror'] as const;
export type Links = (typeof LINKS)[number];

export const DATABASES = ['aurora', 'rds'] as const;
export type DatabaseKind = (typeof DATABASES)[number];

/** Sizes of an instance family in multiples of `large`: vCPUs, memory and price grow with them. */
export const SIZES = {
  large: 1,
  xlarge: 2,
  '2xlarge': 4,
  '4xlarge': 8,
  '8xlarge': 16,
  '12xlarge': 24,
  '16xlarge': 32,
} as const;
export type Size = keyof typeof SIZES;
export const SIZE_NAMES = Object.keys(SIZES) as Size[];

/** What the regions do, all alike, and what they run on. Shares are 0 to 1. */
export type Workload = {
  /** Changed rows per second in each region, over a month; deletes count. */
  readonly writes: number;
  readonly regions: number;
  /** Values of the application's columns of one row, as text. */
  readonly rowBytes: number;
  readonly columns: number;
  /** Mean length of a column's name. */
  readonly nameBytes: number;
  readonly changesPerTransaction: number;
  /** The rest of the changes, beside updates and deletes, are inserts. */
  readonly updateShare: number;
  readonly deleteShare: number;
  /** Changes that are concurrent to another region's. */
  readonly conflictShare: number;
  /** The busiest minutes over the mean: capacity is for the peak, cost for the mean. */
  readonly peakFactor: number;
  readonly retentionHours: number;
  /** Of each region's topic. */
  readonly partitions: number;
  /** Regions that have written a row: entries of its version vector. */
  readonly vectorEntries: number;
  /** Rows of all enrolled tables, for reconciliation and the stamps' storage. */
  readonly tableRows: number;
  readonly kafka: KafkaFlavour;
  /** Of the brokers; absent: the smallest that carries the peak. */
  readonly brokerSize?: Size | undefined;
  readonly links: Links;
  /** Bytes of a copied record over the original's: replicators compress what they write. 1 where nobody has measured it. */
  readonly copyRatio: number;
  readonly database: DatabaseKind;
  readonly instanceFamily: 'r7g' | 'm7g';
  readonly instanceSize: Size;
  readonly proxy: boolean;
  /** Time between two batches of one mapping while records keep coming. */
  readonly batchMs: number;
  /** CPU of one applied row, in the function and in the database. */
  readonly lambdaRowUs: number;
  readonly databaseRowUs: number;
  /** CPU of the database for a batch, however small. */
  readonly databaseBatchUs: number;
  /** What a batch takes beside its rows: round trips and the commit. */
  readonly batchWaitMs: number;
  readonly lambdaMb: number;
  /** Changes per second that one Debezium connector delivers. */
  readonly connectorCeiling: number;
};

/**
 * CPU figures were measured on 2026-11-22 with the events of `npm run bench -- apply` in batches of 1 to 10,000, on a busy machine with two
 * cores: docs/capacity.md. The connector's ceiling is the one published for MSK Connect; here it delivered 23,531 (docs/benchmarks.md).
 */
export const DEFAULTS = {
  writes: 100,
  regions: 3,
  rowBytes: 300,
  columns: 12,
  nameBytes: 8,
  changesPerTransaction: 1,
  updateShare: 0.6,
  deleteShare: 0.05,
  conflictShare: 0.001,
  peakFactor: 3,
  retentionHours: 168,
  partitions: 8,
  vectorEntries: 2,
  tableRows: 10_000_000,
  kafka: 'standard',
  links: 'replicator',
  copyRatio: 1,
  database: 'aurora',
  instanceFamily: 'r7g',
  instanceSize: 'large',
  proxy: true,
  batchMs: 100,
  lambdaRowUs: 13,
  databaseRowUs: 16,
  databaseBatchUs: 3200,
  batchWaitMs: 15,
  lambdaMb: 1769,
  connectorCeiling: 6000,
} as const satisfies Workload;

const GIB = 1_073_741_824;
/** RDS sets `max_connections` to the instance's memory over this, at most 5,000. */
const BYTES_PER_CONNECTION = 9_531_392;

/** What an instance of the workload's class has. */
export function instanceOf({ instanceFamily, instanceSize }: Workload): { vcpus: number; maxConnections: number } {
  const vcpus = 2 * SIZES[instanceSize];
  const memoryBytes = vcpus * (instanceFamily === 'r7g' ? 8 : 4) * GIB;
  return { vcpus, maxConnections: Math.min(5000, Math.floor(memoryBytes / BYTES_PER_CONNECTION)) };
}
