import type { Topology } from '@concord/events';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { BackupPlan, BackupPlanRule, BackupResource, BackupVault, type IBackupVault } from 'aws-cdk-lib/aws-backup';
import { Schedule } from 'aws-cdk-lib/aws-events';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { backupRole, vaultArn, vaultKeyAlias, vaultName } from './backup-role.ts';
import type { Server } from './created.ts';
import { keyRemoval } from './database-key.ts';
import type { BackupOptions, Removal } from './options.ts';

export type BackupsProps = {
  readonly options: BackupOptions;
  readonly topology: Topology;
  readonly region: string;
  readonly server: Server;
  readonly databaseKey: Key;
  readonly removal: Removal;
};

const DEFAULT_KEEP_DAYS = 35;
/** AWS's least: until then a lock in mode `compliance` can still be taken off. */
const LOCK_AFTER = Duration.days(3);
const START_WITHIN = Duration.hours(1);
const COMPLETE_WITHIN = Duration.hours(24);

/**
 * A daily backup beside RDS's own point-in-time recovery, in a vault: it stays when the database and its automated backups are
 * deleted, by mistake or not. 0.02 USD/GB-month for what changed.
 */
export class Backups extends Construct {
  readonly vault: IBackupVault;

  constructor(scope: Construct, id: string, props: BackupsProps) {
    super(scope, id);
    const { options, topology, region, server, databaseKey, removal } = props;
    const { copyTo } = options;
    if (copyTo !== undefined) refuseCopy(copyTo, region, topology);
    const vaultKey = new Key(this, 'Key', {
      description: `Concord: backups of ${region}`,
      enableKeyRotation: true,
      removalPolicy: keyRemoval(removal),
    });
    vaultKey.addAlias(vaultKeyAlias(region)).applyRemovalPolicy(keyRemoval(removal));
    const vault = this.#vault(vaultKey, props);
    const days = Duration.days(options.keepDays ?? DEFAULT_KEEP_DAYS);
    const { hour, minute } = server.quietHours.plan;
    const plan = new BackupPlan(this, 'Plan', {
      backupPlanName: `concord-${region}`,
      backupPlanRules: [
        new BackupPlanRule({
          ruleName: 'daily',
          backupVault: vault,
          scheduleExpression: Schedule.cron({ hour: String(hour), minute: String(minute) }),
          startWindow: START_WITHIN,
          completionWindow: COMPLETE_WITHIN,
          deleteAfter: days,
          ...(copyTo !== undefined && {
            copyActions: [{ destinationBackupVault: this.#vaultOf(copyTo), deleteAfter: days }],
          }),
        }),
      ],
    });
    plan.addSelection('Database', {
      resources: [BackupResource.fromArn(server.arn)],
      role: backupRole(this, { server, region, copyTo, databaseKey, vaultKey }),
      disableDefaultBackupPolicy: true,
    });
    this.vault = vault;
  }

  #vault(encryptionKey: Key, { options: { lock, keepDays }, region, removal }: BackupsProps): BackupVault {
    const minRetention = Duration.days(keepDays ?? DEFAULT_KEEP_DAYS);
    return new BackupVault(this, 'Vault', {
      backupVaultName: vaultName(region),
      encryptionKey,
      // Locked or not: recovery points end by their lifecycle, not by a call.
      blockRecoveryPointDeletion: removal !== 'destroy',
      removalPolicy: removal === 'destroy' ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      ...(lock !== undefined && {
        lockConfiguration: { minRetention, ...(lock === 'compliance' && { changeableFor: LOCK_AFTER }) },
      }),
    });
  }

  #vaultOf(region: string): IBackupVault {
    return BackupVault.fromBackupVaultArn(this, 'CopyVault', vaultArn(Stack.of(this), region));
  }
}

function refuseCopy(copyTo: string, region: string, topology: Topology): void {
  const others = topology.regions.map(({ name }) => name).filter((name) => name !== region);
  if (!others.includes(copyTo))
    throw new Error(
      `database: backups of ${region} cannot be copied to '${copyTo}'; hint: another region of the topology: ${others.join(', ')}`,
    );
}
