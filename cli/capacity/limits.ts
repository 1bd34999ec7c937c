import { BROKERS, brokersFor } from './brokers.ts';
import { databaseShare, type Model, modelOf } from './model.ts';
import { instanceOf, SIZE_NAMES, type Workload } from './workload.ts';

/** A ceiling: how much of it the peak takes, and what to do when it is reached. */
export type Limit = {
  readonly part: string;
  readonly used: number;
  readonly ceiling: number;
  readonly unit: string;
  /** `used / ceiling`: above 1 the workload does not fit. */
  readonly share: number;
  /** Mean writes per second and region at which it is reached; undefined where writes do not count. */
  readonly reachedAtWrites: number | undefined;
  readonly remedy: string;
};

/** Of the instance: the rest is the application's. */
const DATABASE_SHARE = 0.5;
/** RDS Proxy's `maxConnectionsPercent` in cdk/. */
const CONNECTION_SHARE = 0.3;
/** AWS's defaults per account and region. */
const LAMBDA_CONCURRENCY = 1000;
const REPLICATORS = 15;
const REPLICATOR_BYTES_PER_S = 1e9;
const BROKER_STORAGE_BYTES = 16_384 * 1_073_741_824;
const STORAGE_FILL = 0.6;
/** Stride of the interleaved sequences, `limits.maxRegions`. */
const MAX_REGIONS = 32;

type Ceiling = Omit<Limit, 'reachedAtWrites'>;

/** All ceilings, the fullest first. Those of a region are the hub's, which carries most. */
export function limitsOf(workload: Workload, model: Model): Limit[] {
  return ceilingsOf(workload, model)
    .map((ceiling) => ({ ...ceiling, reachedAtWrites: reachedAt(workload, model.sizes, ceiling.part) }))
    .sort((a, b) => b.share - a.share);
}

/** Beyond this nothing is looked for. */
const MOST_WRITES = 1e6;

/** The mean writes that fill the ceiling of a part, by halving: shares only grow with the writes, but not in proportion. */
function reachedAt(workload: Workload, sizes: Model['sizes'], part: string): number | undefined {
  const isReached = (writes: number): boolean => {
    const more = { ...workload, writes };
    return ceilingsOf(more, modelOf(more, sizes)).some((ceiling) => ceiling.part === part && ceiling.share > 1);
  };
  let [below, above] = [0, MOST_WRITES];
  if (isReached(0.01) || !isReached(above)) return undefined;
  while (above - below > Math.max(0.1, below / 1000)) {
    const middle = (below + above) / 2;
    if (isReached(middle)) above = middle;
    else below = middle;
  }
  return below;
}

function ceilingsOf(workload: Workload, model: Model): Ceiling[] {
  const { peak, storage } = model;
  const { apply, database } = peak;
  const { vcpus, maxConnections } = instanceOf(workload);
  const brokers = largestBrokers(workload, model);
  const concurrent = Math.max(apply.concurrent, apply.catchUpConcurrent);
  const rowUs = workload.lambdaRowUs + workload.databaseRowUs;
  return [
    limit(
      'connector (Debezium)',
      peak.recordsPerS,
      workload.connectorCeiling,
      'changes/s',
      'several connectors, each with its slot, publication, topic and group of tables: not in cdk/; measure yours first',
    ),
    limit(
      'slot: decoding WAL, one process',
      database.decodeVcpus,
      1,
      'cores',
      'faster cores; a second slot decodes everything again, so fewer writes per database: split tables over databases',
    ),
    limit(
      'CPU of the database, half of it',
      databaseShare(workload, database) * vcpus,
      vcpus * DATABASE_SHARE,
      'vCPU',
      'a larger instance; longer --batch-ms while batches are small',
    ),
    limit(
      "hub's brokers",
      100 * brokers.throughputShare,
      100,
      `% of 3 × ${brokers.size}`,
      'more brokers; several hubs, each for a group of tables',
    ),
    limit(
      'brokers: storage',
      storage.kafkaBytes / BROKERS,
      BROKER_STORAGE_BYTES * STORAGE_FILL,
      'bytes each',
      'shorter retention; more brokers',
    ),
    limit(
      'MSK Replicator, hub to a spoke',
      peak.linkInBytesPerS.spoke,
      REPLICATOR_BYTES_PER_S,
      'bytes/s',
      'several replicators, each for some topics',
    ),
    limit(
      'mapping: batches of one partition follow each other',
      peak.recordsPerS,
      (workload.partitions * 1e6) / rowUs,
      'changes/s',
      'more partitions, before tables are enrolled',
    ),
    limit(
      'mapping: pollers, one per partition at most',
      apply.pollersPerMapping,
      workload.partitions,
      'pollers',
      'more partitions, before tables are enrolled; longer --batch-ms',
    ),
    limit(
      'Lambda concurrency, catching up',
      concurrent,
      LAMBDA_CONCURRENCY,
      'environments',
      'ask AWS; longer --batch-ms',
    ),
    limit(
      'connections of apply, catching up',
      concurrent,
      maxConnections * CONNECTION_SHARE,
      'connections',
      'fewer pollers; a larger instance; a proxy shares what idles, not what is under way',
    ),
    limit(
      "hub's replicators in its region",
      workload.links === 'replicator' ? workload.regions - 1 : 0,
      REPLICATORS,
      'replicators',
      'ask AWS; a second hub',
    ),
    limit('regions', workload.regions, MAX_REGIONS, 'regions', '`limits.maxRegions`, before tables are enrolled'),
    limit(
      'brokers: partitions',
      100 * brokers.partitionShare,
      100,
      '% of what AWS advises',
      'fewer partitions per topic; larger or more brokers',
    ),
  ];
}

const limit = (part: string, used: number, ceiling: number, unit: string, remedy: string): Ceiling => ({
  ...{ part, used, ceiling, unit, remedy },
  share: used / ceiling,
});

/** Where the brokers' size is chosen, the largest there is: what is chosen always fits. */
const largestBrokers = (workload: Workload, model: Model) =>
  brokersFor({ ...workload, brokerSize: workload.brokerSize ?? SIZE_NAMES.at(-1) }, model, 'hub');
