import { BROKERS, brokersFor } from './brokers.ts';
import type { Model, Rates, Role } from './model.ts';
import type { Prices } from './prices.ts';
import { type KafkaFlavour, SIZES, type Workload } from './workload.ts';

export const HOURS = 730;
const SECONDS = HOURS * 3600;
const GB = 1e9;
const ZONES = 3;
/** Writer and reader, or an instance and its standby. */
const INSTANCES = 2;
const MIN_BROKER_GB = 100;
const STORAGE_FILL = 0.6;
/** A line of metrics, 657 bytes, and Lambda's own of start and report. */
const LOG_BYTES_PER_BATCH = 1250;
const NIGHTS = 30.4;
/** What MirrorMaker carries per unit of MSK Connect: an assumption, nothing is published. */
const MIRROR_BYTES_PER_S = 10e6;

export const GROUPS = ['kafka', 'links', 'capture', 'apply', 'database use', 'operations', 'database'] as const;
type Group = (typeof GROUPS)[number];

/** USD per month. */
type CostLine = {
  readonly group: Group;
  readonly part: string;
  readonly hub: number;
  readonly spoke: number;
  /** The hub and all spokes. */
  readonly total: number;
};

export type Cost = {
  readonly lines: readonly CostLine[];
  /** What replication adds: everything but the databases themselves. */
  readonly added: number;
  readonly total: number;
};

type Part = { readonly group: Group; readonly part: string; readonly usd: (role: Role) => number };

export function costOf(workload: Workload, model: Model, prices: Prices): Cost {
  const lines = partsOf(workload, model, prices).map(({ group, part, usd }) => {
    const [hub, spoke] = [usd('hub'), usd('spoke')];
    return { group, part, hub, spoke, total: hub + (workload.regions - 1) * spoke };
  });
  const sum = (some: readonly CostLine[]): number => some.reduce((usd, { total }) => usd + total, 0);
  return { lines, added: sum(lines.filter(({ group }) => group !== 'database')), total: sum(lines) };
}

const WRITES_PART = "apply's writes (Aurora I/O)";

/** Of what is applied, however it comes. */
export const writesUsd = ({ lines }: Cost): number => lines.find(({ part }) => part === WRITES_PART)?.total ?? 0;

export const gbPerMonth = (bytesPerS: number): number => (bytesPerS * SECONDS) / GB;

/** Kafka, links and capture: what any sink behind Debezium needs as well. */
export const carrierParts = (workload: Workload, model: Model, prices: Prices): Part[] => [
  { group: 'kafka', part: `Kafka, ${workload.kafka}`, usd: KAFKA[workload.kafka](workload, model, prices) },
  ...linkParts(workload, model.average, prices),
  {
    group: 'capture',
    part: 'Debezium on MSK Connect',
    usd: () => model.connectors * prices.connectUnit * HOURS,
  },
];

const partsOf = (workload: Workload, model: Model, prices: Prices): Part[] => [
  ...carrierParts(workload, model, prices),
  ...applyParts(workload, model.average, prices),
  ...databaseParts(workload, model, prices),
  ...operationParts(workload, prices),
];

type KafkaCost = (workload: Workload, model: Model, prices: Prices) => (role: Role) => number;

const KAFKA: Readonly<Record<KafkaFlavour, KafkaCost>> = {
  standard: (workload, model, prices) => (role) => {
    const eachGb = Math.max(MIN_BROKER_GB, model.storage.kafkaBytes / BROKERS / GB / STORAGE_FILL);
    const brokerHour = prices.kafkaBroker * SIZES[brokersFor(workload, model, role).size];
    return BROKERS * (brokerHour * HOURS + eachGb * prices.kafkaStorage) + prices.kafkaBrokerMetrics;
  },
  express: (workload, model, prices) => (role) => {
    const brokerHour = prices.expressBroker * SIZES[brokersFor(workload, model, role).size];
    const written = gbPerMonth(model.average.kafkaInBytesPerS) * prices.expressDataIn;
    return BROKERS * brokerHour * HOURS + written + (model.storage.kafkaBytes / BROKERS / GB) * prices.expressStorage;
  },
  serverless:
    (workload, { average, storage }, prices) =>
    (role) =>
      HOURS * (prices.serverlessCluster + workload.regions * workload.partitions * prices.serverlessPartition) +
      gbPerMonth(average.kafkaInBytesPerS) * prices.serverlessIn +
      gbPerMonth(average.kafkaOutBytesPerS[role]) * prices.serverlessOut +
      (storage.kafkaBytes / BROKERS / GB) * prices.serverlessStorage,
};

/** Transfer is billed where it leaves, a replicator where it arrives. */
function linkParts({ links, regions }: Workload, average: Rates, prices: Prices): Part[] {
  const incoming = (role: Role): number => (role === 'hub' ? regions - 1 : 1);
  const perFlow = (role: Role): number => average.linkInBytesPerS[role] / incoming(role);
  const transfer: Part = {
    group: 'links',
    part: 'traffic between regions',
    usd: (role) => gbPerMonth(average.linkOutBytesPerS[role]) * prices.interRegion,
  };
  if (links === 'mirror') {
    const units = (role: Role): number => incoming(role) * Math.ceil(perFlow(role) / MIRROR_BYTES_PER_S);
    return [
      {
        group: 'links',
        part: 'MirrorMaker on MSK Connect',
        usd: (role) => units(role) * prices.connectUnit * HOURS,
      },
      transfer,
    ];
  }
  return [
    { group: 'links', part: 'replicators, hours', usd: (role) => incoming(role) * prices.replicator * HOURS },
    {
      group: 'links',
      part: 'replicators, data',
      usd: (role) => gbPerMonth(average.linkInBytesPerS[role]) * prices.replicatorData,
    },
    {
      group: 'links',
      part: 'private connectivity',
      usd: (role) =>
        prices.privateConnectivity * HOURS + gbPerMonth(average.linkOutBytesPerS[role]) * prices.privateData,
    },
    transfer,
  ];
}

function applyParts({ lambdaMb }: Workload, { apply }: Rates, prices: Prices): Part[] {
  const gbSeconds = apply.concurrent * SECONDS * (lambdaMb / 1024);
  const batches = apply.batchesPerS * SECONDS;
  return [
    { group: 'apply', part: 'event poller units', usd: () => apply.units * prices.pollerUnit * HOURS },
    { group: 'apply', part: 'Lambda, time', usd: () => gbSeconds * prices.lambdaGbSecond },
    { group: 'apply', part: 'Lambda, invocations', usd: () => (batches / 1e6) * prices.lambdaMillion },
    { group: 'apply', part: 'logs', usd: () => ((batches * LOG_BYTES_PER_BATCH) / GB) * prices.logs },
  ];
}

function databaseParts(workload: Workload, { average, storage }: Model, prices: Prices): Part[] {
  const { database, instanceFamily, instanceSize, proxy } = workload;
  const isAurora = database === 'aurora';
  const onRds = instanceFamily === 'r7g' ? prices.rdsR7g : prices.rdsM7g;
  const large = isAurora ? prices.auroraR7g : onRds;
  const factor = SIZES[instanceSize];
  const storedGb = (storage.tombstoneBytes + storage.conflictBytes + storage.stampBytes) / GB;
  const gbMonth = isAurora ? prices.auroraStorage : prices.rdsStorage * INSTANCES;
  const writes = isAurora ? (average.database.applyWritesPerS * SECONDS) / 1e6 : 0;
  return [
    {
      group: 'database use',
      part: 'RDS Proxy',
      usd: () => (proxy ? INSTANCES * 2 * factor * prices.proxyVcpu * HOURS : 0),
    },
    { group: 'database use', part: WRITES_PART, usd: () => writes * prices.auroraWrites },
    { group: 'database use', part: 'stamps, tombstones, conflicts', usd: () => storedGb * gbMonth },
    {
      group: 'database',
      part: `2 × db.${instanceFamily}.${instanceSize}`,
      usd: () => INSTANCES * large * factor * HOURS,
    },
  ];
}

const operationParts = ({ tableRows }: Workload, prices: Prices): Part[] => [
  {
    group: 'operations',
    part: 'endpoint, keys, secrets, alarms',
    usd: () => ZONES * prices.secretsEndpoint * HOURS + prices.smallThings,
  },
  {
    group: 'operations',
    part: 'reconciliation, each night',
    usd: (role) => (role === 'hub' ? (tableRows / 1e6) * NIGHTS * prices.reconcileMillion : 0),
  },
];
