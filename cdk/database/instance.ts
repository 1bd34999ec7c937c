import { RemovalPolicy } from 'aws-cdk-lib';
import { InstanceType } from 'aws-cdk-lib/aws-ec2';
import {
  DatabaseInstance,
  DatabaseInstanceEngine,
  DatabaseInstanceReadReplica,
  type IDatabaseInstance,
  PostgresEngineVersion,
  StorageType,
} from 'aws-cdk-lib/aws-rds';
import { Construct, type IDependable } from 'constructs';
import { acknowledgeReplica, acknowledgeServer } from './acknowledgements.ts';
import {
  backupRetention,
  databaseNameOf,
  type Endpoint,
  endpointOf,
  identifierOf,
  majorOf,
  parameterGroup,
  primaryProps,
  type Server,
  type ServerProps,
  sharedProps,
} from './created.ts';
import { databaseLogs } from './database-logs.ts';
import { monitoringRole } from './monitoring-role.ts';
import type { InstanceDatabase } from './options.ts';
import { quietHours } from './quiet-hours.ts';

const DEFAULT_VERSION = '17.9';
const DEFAULT_INSTANCE = 'm7g.large';
const DEFAULT_STORAGE_GB = 100;
/** Of the storage that it begins with. */
const MAX_GROWTH = 10;
const MIB_PER_GIB = 1024;
const EXPORTS = ['postgresql', 'upgrade'];

/** RDS for PostgreSQL: one instance and its standby, whose storage has the slot too. */
export class Instance extends Construct implements Server {
  readonly kind = 'instance';
  readonly identifier: string;
  readonly arn: string;
  readonly writer: Endpoint;
  readonly reader: Endpoint | undefined;
  readonly adminSecret;
  readonly quietHours;
  readonly ready: IDependable;

  constructor(scope: Construct, id: string, props: ServerProps<InstanceDatabase>) {
    super(scope, id);
    const { options, region } = props;
    this.identifier = identifierOf(region);
    this.quietHours = quietHours(region, options.quietHourUtc);
    const version = options.version ?? DEFAULT_VERSION;
    const engine = DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.of(version, majorOf(version)) });
    const storageGb = options.storageGb ?? DEFAULT_STORAGE_GB;
    const slotKeepMb = options.slotKeepMb ?? (storageGb * MIB_PER_GIB) / 2;
    const shape = {
      ...sharedProps(props, monitoringRole(this)),
      instanceType: new InstanceType(options.instanceType ?? DEFAULT_INSTANCE),
      storageType: StorageType.GP3,
      maxAllocatedStorage: options.maxStorageGb ?? MAX_GROWTH * storageGb,
      parameterGroup: parameterGroup(this, engine, props, slotKeepMb),
      publiclyAccessible: false,
      cloudwatchLogsExports: EXPORTS,
    };
    const instance = new DatabaseInstance(this, 'Instance', {
      ...shape,
      ...primaryProps(props),
      engine,
      instanceIdentifier: this.identifier,
      databaseName: databaseNameOf(options),
      allocatedStorage: storageGb,
      multiAz: options.multiAz ?? true,
      backupRetention,
      preferredBackupWindow: this.quietHours.backup,
    });
    const replica =
      options.readReplica === true
        ? new DatabaseInstanceReadReplica(this, 'Reader', {
            ...shape,
            // RDS takes no last snapshot of a replica.
            removalPolicy: options.removal === 'snapshot' ? RemovalPolicy.DESTROY : shape.removalPolicy,
            sourceDatabaseInstance: instance as IDatabaseInstance,
            instanceIdentifier: `${this.identifier}-reader`,
          })
        : undefined;
    acknowledgeServer(instance, options);
    if (replica !== undefined) acknowledgeReplica(replica, options);
    this.#logs('Logs', instance, this.identifier, props);
    if (replica !== undefined) this.#logs('ReaderLogs', replica, `${this.identifier}-reader`, props);
    this.arn = instance.instanceArn;
    this.ready = instance;
    this.writer = endpointOf(instance.dbInstanceEndpointAddress);
    this.reader = replica && endpointOf(replica.dbInstanceEndpointAddress);
    this.adminSecret = instance.secret!;
  }

  #logs(id: string, of: Construct, identifier: string, { options, key }: ServerProps<InstanceDatabase>): void {
    const groups = databaseLogs(new Construct(this, id), {
      ...{ of: 'instance', identifier, exports: EXPORTS, key },
      days: options.logDays ?? 90,
      removal: options.removal ?? 'retain',
    });
    for (const group of groups) of.node.addDependency(group);
  }
}
