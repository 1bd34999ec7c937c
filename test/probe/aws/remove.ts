import { DeleteBucketCommand, DeleteObjectsCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3';
import type { Leftover } from '../cloud.ts';
import { until, type Waiting } from '../wait.ts';
import { awsCli } from './cli.ts';

/** The caller says what goes on. */
export type Quiet = Omit<Waiting, 'say' | 'stillMs'>;

type Removal = (region: string, id: string, quiet: Quiet) => Promise<unknown>;

/** The least that KMS allows. */
const KEY_WINDOW_DAYS = 7;
const GONE_WITHIN_MS = 60 * 60_000;

/** What services say of a thing that is not there, or about to be not. */
const IS_GONE = /NotFound|NoSuchBucket|does not exist|pending deletion|KMSInvalidState/i;

const untilGone = (
  quiet: Quiet,
  region: string,
  [service, command]: readonly [string, string],
  input: Record<string, string>,
): Promise<true> =>
  until({ ...quiet, say: () => {}, stillMs: GONE_WITHIN_MS }, `${JSON.stringify(input)} is gone`, GONE_WITHIN_MS, () =>
    awsCli(region, service, command, input).then(
      () => undefined,
      (error: Error) => {
        if (IS_GONE.test(error.message)) return true as const;
        throw error;
      },
    ),
  );

const LAST = { SkipFinalSnapshot: true, DeleteAutomatedBackups: true } as const;

async function removeInstance(region: string, id: string, quiet: Quiet): Promise<void> {
  const input = { DBInstanceIdentifier: id };
  type Described = { readonly DBInstances: readonly { readonly DBClusterIdentifier?: string }[] };
  const { DBInstances } = await awsCli<Described>(region, 'rds', 'describe-db-instances', input);
  // A member of a cluster is protected by the cluster, and has no snapshots of its own.
  if (DBInstances[0]?.DBClusterIdentifier === undefined) {
    await awsCli(region, 'rds', 'modify-db-instance', { ...input, DeletionProtection: false, ApplyImmediately: true });
    await awsCli(region, 'rds', 'delete-db-instance', { ...input, ...LAST });
  } else await awsCli(region, 'rds', 'delete-db-instance', { ...input, SkipFinalSnapshot: true });
  await untilGone(quiet, region, ['rds', 'describe-db-instances'], input);
}

async function removeCluster(region: string, id: string, quiet: Quiet): Promise<void> {
  const input = { DBClusterIdentifier: id };
  await awsCli(region, 'rds', 'modify-db-cluster', { ...input, DeletionProtection: false, ApplyImmediately: true });
  await awsCli(region, 'rds', 'delete-db-cluster', { ...input, ...LAST });
  await untilGone(quiet, region, ['rds', 'describe-db-clusters'], input);
}

async function removeVault(region: string, id: string): Promise<void> {
  const input = { BackupVaultName: id };
  type Listed = { readonly RecoveryPoints: readonly { readonly RecoveryPointArn: string }[] };
  const { RecoveryPoints } = await awsCli<Listed>(region, 'backup', 'list-recovery-points-by-backup-vault', input);
  for (const { RecoveryPointArn } of RecoveryPoints)
    await awsCli(region, 'backup', 'delete-recovery-point', { ...input, RecoveryPointArn });
  await awsCli(region, 'backup', 'delete-backup-vault', input);
}

/** A cluster that is being made or changed refuses to go. */
async function removeKafka(region: string, id: string, quiet: Quiet): Promise<void> {
  type Described = { readonly ClusterInfo: { readonly State: string } };
  const input = { ClusterArn: id };
  await until({ ...quiet, say: () => {}, stillMs: GONE_WITHIN_MS }, `${id} comes to rest`, GONE_WITHIN_MS, async () => {
    const { ClusterInfo } = await awsCli<Described>(region, 'kafka', 'describe-cluster-v2', input);
    return ['ACTIVE', 'FAILED', 'DELETING'].includes(ClusterInfo.State) ? true : undefined;
  });
  await awsCli(region, 'kafka', 'delete-cluster', input);
  await untilGone(quiet, region, ['kafka', 'describe-cluster-v2'], input);
}

/** Every version of every object first: a bucket that is not empty stays. */
async function removeBucket(region: string, id: string): Promise<void> {
  const client = new S3Client({ region });
  for (;;) {
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: id }));
    const objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
    if (objects.length === 0) break;
    const { Errors = [] } = await client.send(
      new DeleteObjectsCommand({ Bucket: id, Delete: { Objects: objects, Quiet: true } }),
    );
    const [first] = Errors;
    if (first !== undefined) throw new Error(`${first.Key}: ${first.Message}`);
  }
  await client.send(new DeleteBucketCommand({ Bucket: id }));
}

const REMOVALS: Readonly<Record<Leftover['kind'], Removal>> = {
  'db-instance': removeInstance,
  'db-cluster': removeCluster,
  'db-snapshot': (region, id) => awsCli(region, 'rds', 'delete-db-snapshot', { DBSnapshotIdentifier: id }),
  'db-cluster-snapshot': (region, id) =>
    awsCli(region, 'rds', 'delete-db-cluster-snapshot', { DBClusterSnapshotIdentifier: id }),
  'db-subnet-group': (region, id) => awsCli(region, 'rds', 'delete-db-subnet-group', { DBSubnetGroupName: id }),
  'db-parameter-group': (region, id) =>
    awsCli(region, 'rds', 'delete-db-parameter-group', { DBParameterGroupName: id }),
  'db-cluster-parameter-group': (region, id) =>
    awsCli(region, 'rds', 'delete-db-cluster-parameter-group', { DBClusterParameterGroupName: id }),
  'backup-vault': removeVault,
  'kafka-cluster': removeKafka,
  'kafka-configuration': (region, id) => awsCli(region, 'kafka', 'delete-configuration', { Arn: id }),
  bucket: removeBucket,
  secret: (region, id) =>
    awsCli(region, 'secretsmanager', 'delete-secret', { SecretId: id, ForceDeleteWithoutRecovery: true }),
  'log-group': (region, id) => awsCli(region, 'logs', 'delete-log-group', { logGroupName: id }),
  key: (region, id) =>
    awsCli(region, 'kms', 'schedule-key-deletion', { KeyId: id, PendingWindowInDays: KEY_WINDOW_DAYS }),
};

/** Removes one thing, whatever it holds, and waits until it is gone; a key goes after seven days. */
export async function removeLeftover(region: string, { kind, id }: Leftover, quiet: Quiet): Promise<void> {
  try {
    await REMOVALS[kind](region, id, quiet);
  } catch (error) {
    const { name, message } = error as Error;
    if (!IS_GONE.test(`${name} ${message}`)) throw error;
  }
}
