import { Stack } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import type { Server } from './created.ts';
import { acknowledgeWildcards, type Place, printed } from './wildcards.ts';

export type BackupRoleProps = {
  readonly server: Server;
  readonly region: string;
  readonly copyTo: string | undefined;
  readonly databaseKey: Key;
  readonly vaultKey: Key;
};

/** The same in every region, so that a copy finds its vault without asking. */
export const vaultName = (region: string): string => `concord-${region}`;
export const vaultKeyAlias = (region: string): string => `alias/concord/backups/${region}`;
export const vaultArn = ({ partition, account }: Stack, region: string): string =>
  `arn:${partition}:backup:${region}:${account}:backup-vault:${vaultName(region)}`;

/** RDS's words for the snapshots of the two kinds of server. */
const WORDS = {
  cluster: { snapshot: 'cluster-snapshot', noun: 'DBCluster' },
  instance: { snapshot: 'snapshot', noun: 'DB' },
} as const;

/** AWS Backup begins the names of all its snapshots so: it can touch no others, and not the database. */
const MADE_BY_BACKUP = 'awsbackup:*';

/**
 * What AWSBackupServiceRolePolicyForBackup allows for RDS, for this one database, its snapshots and the vaults. The managed policy
 * may also snapshot and encrypt anything else in the account.
 */
export function backupRole(scope: Construct, props: BackupRoleProps): Role {
  const stack = Stack.of(scope);
  const { copyTo } = props;
  const role = new Role(scope, 'Role', {
    description: `Makes and copies the backups of ${props.region}`,
    assumedBy: new ServicePrincipal('backup.amazonaws.com'),
    inlinePolicies: {
      Snapshots: new PolicyDocument({ statements: snapshots(stack, props) }),
      Vaults: new PolicyDocument({ statements: vaults(stack, props) }),
      Keys: new PolicyDocument({ statements: keys(stack, props) }),
    },
  });
  acknowledgeWildcards(
    role,
    ['*', ...madeByBackup(printed(stack), props), ...(copyTo === undefined ? [] : [keysOf(printed(stack), copyTo)])],
    "Snapshots bear names that AWS Backup makes; the copy's vault lies in another region, where a condition names its key by the alias; tag:GetResources knows no resource.",
  );
  return role;
}

/** The region's own snapshots, and the copies. */
const madeByBackup = ({ partition, account }: Place, { server, region, copyTo }: BackupRoleProps): string[] =>
  [region, ...(copyTo === undefined ? [] : [copyTo])].map(
    (name) => `arn:${partition}:rds:${name}:${account}:${WORDS[server.kind].snapshot}:${MADE_BY_BACKUP}`,
  );

const keysOf = ({ partition, account }: Place, region: string): string =>
  `arn:${partition}:kms:${region}:${account}:key/*`;

function snapshots(stack: Stack, props: BackupRoleProps): PolicyStatement[] {
  const { server } = props;
  const { noun } = WORDS[server.kind];
  const made = madeByBackup(stack, props);
  const describeDatabase = server.kind === 'cluster' ? 'rds:DescribeDBClusters' : 'rds:DescribeDBInstances';
  return [
    new PolicyStatement({
      actions: [
        describeDatabase,
        `rds:Describe${noun}Snapshots`,
        'rds:ListTagsForResource',
        `rds:Create${noun}Snapshot`,
      ],
      resources: [server.arn, ...made],
    }),
    new PolicyStatement({
      actions: [
        'rds:AddTagsToResource',
        `rds:Copy${noun}Snapshot`,
        `rds:Delete${noun}Snapshot`,
        `rds:Modify${noun}SnapshotAttribute`,
      ],
      resources: made,
    }),
    new PolicyStatement({ actions: ['tag:GetResources'], resources: ['*'] }),
    new PolicyStatement({ actions: ['backup:CopyFromBackupVault'], resources: made }),
  ];
}

const vaults = (stack: Stack, { region, copyTo }: BackupRoleProps): PolicyStatement[] => [
  new PolicyStatement({
    actions: ['backup:DescribeBackupVault', 'backup:CopyIntoBackupVault'],
    resources: [region, ...(copyTo === undefined ? [] : [copyTo])].map((name) => vaultArn(stack, name)),
  }),
];

/** Snapshots bear the database's key, copies the key of the vault that they go to. Only for RDS: nothing can be decrypted with this. */
function keys(stack: Stack, { copyTo, databaseKey, vaultKey }: BackupRoleProps): PolicyStatement[] {
  const forAws = { Bool: { 'kms:GrantIsForAWSResource': 'true' } };
  const resources = [databaseKey.keyArn, vaultKey.keyArn];
  const here = [
    new PolicyStatement({ actions: ['kms:DescribeKey'], resources }),
    new PolicyStatement({ actions: ['kms:CreateGrant'], resources, conditions: forAws }),
  ];
  if (copyTo === undefined) return here;
  const byAlias = { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': vaultKeyAlias(copyTo) } };
  const there = [keysOf(stack, copyTo)];
  return [
    ...here,
    new PolicyStatement({ actions: ['kms:DescribeKey'], resources: there, conditions: byAlias }),
    new PolicyStatement({ actions: ['kms:CreateGrant'], resources: there, conditions: { ...forAws, ...byAlias } }),
  ];
}
