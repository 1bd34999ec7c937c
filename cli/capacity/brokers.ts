import { type Model, type Rates, REPLICATION_FACTOR, type Role } from './model.ts';
import { SIZE_NAMES, SIZES, type Size, type Workload } from './workload.ts';

/** One per zone. */
export const BROKERS = 3;

const MB = 1e6;
/** Baseline of the EC2 instances to EBS and to the network; a gp3 volume without provisioned throughput passes 250 MiB/s. */
const STANDARD_LARGE = { storageBytesPerS: 78.75 * MB, networkBytesPerS: 117 * MB };
const VOLUME_BYTES_PER_S = 262 * MB;
/** AWS's recommendation per broker: twice as much out as in. */
const EXPRESS_LARGE = { inBytesPerS: 15.6 * MB, outBytesPerS: 31.2 * MB };
/** Of a whole cluster. */
const SERVERLESS = { inBytesPerS: 200 * MB, outBytesPerS: 400 * MB, partitions: 2400 };
/** AWS's sizing guide: what is sustained, of what is possible. */
const SUSTAINED = 0.8;

/** AWS's recommendation, all copies counted. */
const PARTITIONS: Readonly<Record<Size, number>> = {
  large: 1000,
  xlarge: 1000,
  '2xlarge': 2000,
  '4xlarge': 4000,
  '8xlarge': 4000,
  '12xlarge': 4000,
  '16xlarge': 4000,
};

type Brokers = {
  readonly size: Size;
  /** Of what the cluster sustains at the peak, by whatever is scarcest. */
  readonly throughputShare: number;
  readonly partitionShare: number;
};

/** The brokers of a role, and how full they are: the given size, or the smallest that carries the peak. */
export function brokersFor(workload: Workload, { peak }: Model, role: Role): Brokers {
  const fill = (size: Size): Brokers => ({
    size,
    throughputShare: throughputShare(workload, peak, role, size),
    partitionShare: partitionShare(workload, size),
  });
  if (workload.brokerSize !== undefined || workload.kafka === 'serverless') return fill(workload.brokerSize ?? 'large');
  const fits = ({ throughputShare, partitionShare }: Brokers): boolean => throughputShare <= 1 && partitionShare <= 1;
  return SIZE_NAMES.map(fill).find(fits) ?? fill('16xlarge');
}

/** In and out of one region's cluster; copies between brokers go through disks and network as well. */
function throughputShare({ kafka }: Workload, rates: Rates, role: Role, size: Size): number {
  const [into, out] = [rates.kafkaInBytesPerS, rates.kafkaOutBytesPerS[role]];
  if (kafka === 'serverless') return Math.max(into / SERVERLESS.inBytesPerS, out / SERVERLESS.outBytesPerS);
  const factor = SIZES[size] * BROKERS;
  if (kafka === 'express')
    return Math.max(into / (EXPRESS_LARGE.inBytesPerS * factor), out / (EXPRESS_LARGE.outBytesPerS * factor));
  const storage = Math.min(STANDARD_LARGE.storageBytesPerS * SIZES[size], VOLUME_BYTES_PER_S) * BROKERS;
  const network = STANDARD_LARGE.networkBytesPerS * factor;
  return Math.max((into * REPLICATION_FACTOR) / storage, (out + into * (REPLICATION_FACTOR - 1)) / network) / SUSTAINED;
}

function partitionShare({ kafka, regions, partitions }: Workload, size: Size): number {
  if (kafka === 'serverless') return (regions * partitions) / SERVERLESS.partitions;
  return (regions * partitions * REPLICATION_FACTOR) / BROKERS / PARTITIONS[size];
}
