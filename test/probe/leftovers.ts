import { LEFTOVER_KINDS, type Leftover, type Resource } from './cloud.ts';

type Kind = Leftover['kind'];

/** `null`: goes with something else of the list. */
const KINDS_OF_TYPES: Readonly<Record<string, Kind | null>> = {
  'AWS::RDS::DBInstance': 'db-instance',
  'AWS::RDS::DBCluster': 'db-cluster',
  'AWS::RDS::DBSubnetGroup': 'db-subnet-group',
  'AWS::RDS::DBParameterGroup': 'db-parameter-group',
  'AWS::RDS::DBClusterParameterGroup': 'db-cluster-parameter-group',
  'AWS::Backup::BackupVault': 'backup-vault',
  'AWS::MSK::Cluster': 'kafka-cluster',
  'AWS::MSK::Configuration': 'kafka-configuration',
  'AWS::MSK::Topic': null,
  'AWS::S3::Bucket': 'bucket',
  'AWS::S3::BucketPolicy': null,
  'AWS::SecretsManager::Secret': 'secret',
  'AWS::Logs::LogGroup': 'log-group',
  'AWS::KMS::Key': 'key',
};

/** ARNs by service and, after it, the kind of thing; what follows is its id, or the ARN itself is. */
const KINDS_OF_ARNS: readonly (readonly [pattern: RegExp, kind: Kind, by: 'id' | 'arn'])[] = [
  [/^arn:[^:]+:rds:[^:]*:[^:]*:db:(.+)$/, 'db-instance', 'id'],
  [/^arn:[^:]+:rds:[^:]*:[^:]*:cluster:(.+)$/, 'db-cluster', 'id'],
  [/^arn:[^:]+:rds:[^:]*:[^:]*:snapshot:(.+)$/, 'db-snapshot', 'id'],
  [/^arn:[^:]+:rds:[^:]*:[^:]*:cluster-snapshot:(.+)$/, 'db-cluster-snapshot', 'id'],
  [/^arn:[^:]+:rds:[^:]*:[^:]*:subgrp:(.+)$/, 'db-subnet-group', 'id'],
  [/^arn:[^:]+:rds:[^:]*:[^:]*:pg:(.+)$/, 'db-parameter-group', 'id'],
  [/^arn:[^:]+:rds:[^:]*:[^:]*:cluster-pg:(.+)$/, 'db-cluster-parameter-group', 'id'],
  [/^arn:[^:]+:backup:[^:]*:[^:]*:backup-vault:(.+)$/, 'backup-vault', 'id'],
  [/^arn:[^:]+:kafka:[^:]*:[^:]*:cluster\/.+$/, 'kafka-cluster', 'arn'],
  [/^arn:[^:]+:kafka:[^:]*:[^:]*:configuration\/.+$/, 'kafka-configuration', 'arn'],
  [/^arn:[^:]+:s3:::([^/]+)$/, 'bucket', 'id'],
  [/^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:.+$/, 'secret', 'arn'],
  [/^arn:[^:]+:logs:[^:]*:[^:]*:log-group:([^:]+)(?::\*)?$/, 'log-group', 'id'],
  [/^arn:[^:]+:kms:[^:]*:[^:]*:key\/(.+)$/, 'key', 'id'],
];

export type FoundLeftovers = {
  readonly leftovers: readonly Leftover[];
  /** What nobody knows how to remove: for a person. */
  readonly unknown: readonly string[];
};

/** What of a stack will stay: `kept` are its resources that the template keeps. */
export function leftoversOf(kept: readonly Resource[]): FoundLeftovers {
  const leftovers: Leftover[] = [];
  const unknown: string[] = [];
  for (const { type, physicalId } of kept) {
    const kind = KINDS_OF_TYPES[type];
    if (kind === undefined) unknown.push(`${type} ${physicalId}`);
    else if (kind !== null) leftovers.push({ kind, id: physicalId });
  }
  return { leftovers, unknown };
}

/** The same from ARNs that bear the probe's tag. Kinds that cannot stay on their own (functions, roles) are gone with their stack. */
export function leftoversOfArns(arns: readonly string[]): readonly Leftover[] {
  return arns.flatMap((arn) => {
    for (const [pattern, kind, by] of KINDS_OF_ARNS) {
      const match = pattern.exec(arn);
      if (match !== null) return [{ kind, id: by === 'arn' ? arn : (match[1] ?? arn) }];
    }
    return [];
  });
}

const rank = ({ kind }: Leftover): number => LEFTOVER_KINDS.indexOf(kind);

/** Each once, in the order in which it can be removed. */
export function inOrder(leftovers: readonly Leftover[]): readonly Leftover[] {
  const once = new Map(leftovers.map((leftover) => [`${leftover.kind} ${leftover.id}`, leftover]));
  return [...once.values()].sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

/** Stands in subnets: the network cannot go before it. */
export const isInNetwork = ({ kind }: Leftover): boolean =>
  kind === 'db-instance' || kind === 'db-cluster' || kind === 'kafka-cluster' || kind === 'db-subnet-group';
