import type { Cloud, Resource, SqlTarget } from './cloud.ts';

/** What of a deployed region the story touches. */
export type ProbedRegion = {
  readonly name: string;
  readonly sql: SqlTarget;
  readonly proxy: string;
  readonly applySecretArn: string;
  readonly captureSecretArn: string;
  readonly mappings: readonly Resource[];
  readonly connectorArns: readonly string[];
  /** Where batches that were given up lie; only the second region has one. */
  readonly failedBucket: string | undefined;
  readonly alarms: readonly string[];
  readonly logGroups: readonly string[];
};

/** The parts of a region, one stack each, in the order in which they need one another. */
export const PARTS = [
  'Operations',
  'Network',
  'Database',
  'Kafka',
  'Enroll',
  'Apply',
  'Capture',
  'Replication',
] as const;
export type Part = (typeof PARTS)[number];
/** Of the stage `Concord-hub`, in the hub's region. */
export const HUB_PARTS = ['Operations', 'Replication'] as const satisfies readonly Part[];

/** `stackName('us-east-1', 'Apply')` is `Concord-us-east-1-Apply`. */
export const stackName = (stage: string, part: Part): string => `Concord-${stage}-${part}`;

export type Parts = Readonly<Partial<Record<Part, readonly Resource[]>>>;

const idsOf = (resources: readonly Resource[] = [], type: string): readonly Resource[] =>
  resources.filter((resource) => resource.type === type);

function one(resources: readonly Resource[] | undefined, type: string, named: RegExp = /./): string {
  const found = idsOf(resources, type).filter(({ logicalId }) => named.test(logicalId));
  const [first, second] = found;
  if (first === undefined || second !== undefined)
    throw new Error(`${found.length} resources of type ${type} match ${named}, not one: the constructs have changed`);
  return first.physicalId;
}

/** Finds it by type, and where there are several of a type by their names in the template. */
export function probedRegion(sql: SqlTarget, parts: Parts): ProbedRegion {
  const secret = 'AWS::SecretsManager::Secret';
  const all = Object.values(parts).flat();
  return {
    name: sql.region,
    sql,
    proxy: one(parts.Database, 'AWS::RDS::DBProxy'),
    applySecretArn: one(parts.Database, secret, /apply/i),
    captureSecretArn: one(parts.Database, secret, /capture/i),
    mappings: idsOf(parts.Apply, 'AWS::Lambda::EventSourceMapping'),
    connectorArns: idsOf(parts.Capture, 'AWS::KafkaConnect::Connector').map(({ physicalId }) => physicalId),
    failedBucket: idsOf(parts.Apply, 'AWS::S3::Bucket')[0]?.physicalId,
    alarms: idsOf(all, 'AWS::CloudWatch::Alarm').map(({ physicalId }) => physicalId),
    logGroups: idsOf(all, 'AWS::Logs::LogGroup').map(({ physicalId }) => physicalId),
  };
}

export const clusterOf = (parts: Parts): string => one(parts.Database, 'AWS::RDS::DBCluster');

/** Asks CloudFormation what the region's stacks have become. */
export async function findParts(cloud: Cloud, region: string): Promise<Parts> {
  const there = new Set((await cloud.stacks(region)).map(({ name }) => name));
  const parts: Partial<Record<Part, readonly Resource[]>> = {};
  for (const part of PARTS) {
    const stack = stackName(region, part);
    if (there.has(stack)) parts[part] = await cloud.resources(region, stack);
  }
  return parts;
}
