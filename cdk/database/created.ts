import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Key } from 'aws-cdk-lib/aws-kms';
import {
  Credentials,
  DatabaseInsightsMode,
  type IEngine,
  ParameterGroup,
  PerformanceInsightRetention,
} from 'aws-cdk-lib/aws-rds';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct, IDependable } from 'constructs';
import type { Network } from '../network/network.ts';
import type { CreatedDatabase, Removal } from './options.ts';
import { serverParameters } from './parameters.ts';
import { type QuietHours, quietHours } from './quiet-hours.ts';

export type Endpoint = { readonly host: string; readonly port: number };

/** A database server that is made here. */
export type Server = {
  readonly identifier: string;
  readonly kind: 'cluster' | 'instance';
  readonly arn: string;
  readonly writer: Endpoint;
  /** Where there is one that reads. */
  readonly reader: Endpoint | undefined;
  /** Made, rotated and written by RDS. */
  readonly adminSecret: ISecret;
  readonly quietHours: QuietHours;
  /** What has to be there before anything connects. */
  readonly ready: IDependable;
};

export type ServerProps<Options extends CreatedDatabase> = {
  readonly options: Options;
  readonly region: string;
  readonly network: Network;
  readonly key: Key;
};

/** One name for the database of a region: should anything ask for another database in its place, the name is taken, and nothing happens. */
export const identifierOf = (region: string): string => `concord-${region}`;

const PORT = 5432;
const BACKUP_DAYS = 35;
const REMOVALS: Readonly<Record<Removal, RemovalPolicy>> = {
  retain: RemovalPolicy.RETAIN,
  snapshot: RemovalPolicy.SNAPSHOT,
  destroy: RemovalPolicy.DESTROY,
};

export const databaseNameOf = ({ name }: CreatedDatabase): string => name ?? 'app';

export const endpointOf = (host: string): Endpoint => ({ host, port: PORT });

/** The major version, or an Error: logical decoding needs what came with 15. */
export function majorOf(version: string): string {
  const major = version.split('.')[0] ?? '';
  if (!/^[0-9]+$/.test(major) || Number(major) < 15)
    throw new Error(`database: version '${version}'; hint: PostgreSQL 15 or later, such as '17.7'`);
  return major;
}

/** What every server has in common, in the words of the library. */
export function sharedProps({ options, region, network, key }: ServerProps<CreatedDatabase>, monitoring: Role) {
  const quiet = quietHours(region, options.quietHourUtc);
  const removal = options.removal ?? 'retain';
  const vpc: { vpc: IVpc; vpcSubnets: SubnetSelection } = { vpc: network.vpc, vpcSubnets: network.subnets };
  return {
    ...vpc,
    securityGroups: [network.groups.database],
    port: PORT,
    iamAuthentication: true,
    copyTagsToSnapshot: true,
    deletionProtection: removal === 'retain',
    removalPolicy: REMOVALS[removal],
    // Those that RDS made by itself outlive the database by as many days as they were kept.
    deleteAutomatedBackups: removal === 'destroy',
    preferredMaintenanceWindow: quiet.maintenance,
    autoMinorVersionUpgrade: true,
    monitoringInterval: Duration.minutes(1),
    monitoringRole: monitoring,
    databaseInsightsMode:
      options.insights === 'advanced' ? DatabaseInsightsMode.ADVANCED : DatabaseInsightsMode.STANDARD,
    ...insightsOf(options, key),
  };
}

/** What only a server has that is no replica of another. */
export const primaryProps = ({ options, key }: ServerProps<CreatedDatabase>) => ({
  credentials: Credentials.fromUsername(options.adminUsername ?? 'postgres', { encryptionKey: key }),
  manageMasterUserPassword: true,
  storageEncryptionKey: key,
  storageEncrypted: true,
});

/** What ran, by statement and wait; the statements are encrypted. */
export const insightsOf = ({ insights }: CreatedDatabase, key: Key) => ({
  enablePerformanceInsights: true,
  performanceInsightEncryptionKey: key,
  performanceInsightRetention:
    insights === 'advanced' ? PerformanceInsightRetention.MONTHS_15 : PerformanceInsightRetention.DEFAULT,
});

export const backupRetention = Duration.days(BACKUP_DAYS);

/** Kept with the database: one in use cannot be deleted. */
export const parameterGroup = (
  scope: Construct,
  engine: IEngine,
  { options, region }: ServerProps<CreatedDatabase>,
  slotKeepMb: number,
): ParameterGroup =>
  new ParameterGroup(scope, 'Parameters', {
    engine,
    description: `Concord: ${region}`,
    parameters: serverParameters(slotKeepMb),
    removalPolicy:
      options.removal === undefined || options.removal === 'retain' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
