import { InstanceType } from 'aws-cdk-lib/aws-ec2';
import {
  AuroraPostgresEngineVersion,
  type CfnDBCluster,
  ClusterInstance,
  DatabaseCluster,
  DatabaseClusterEngine,
  DBClusterStorageType,
  type IClusterInstance,
} from 'aws-cdk-lib/aws-rds';
import { Construct, type IDependable } from 'constructs';
import { acknowledgeServer } from './acknowledgements.ts';
import {
  backupRetention,
  databaseNameOf,
  type Endpoint,
  endpointOf,
  identifierOf,
  insightsOf,
  majorOf,
  parameterGroup,
  primaryProps,
  type Server,
  type ServerProps,
  sharedProps,
} from './created.ts';
import { databaseLogs } from './database-logs.ts';
import { monitoringRole } from './monitoring-role.ts';
import type { AuroraDatabase } from './options.ts';
import { quietHours } from './quiet-hours.ts';

const DEFAULT_VERSION = '17.7';
const DEFAULT_CAPACITY = { kind: 'provisioned', instanceType: 'r7g.large' } as const;
const NO_SLOT_LIMIT = -1;

/** Aurora PostgreSQL: a volume in three zones, a writer in the first, readers in the others. Its slots survive a failover. */
export class Aurora extends Construct implements Server {
  readonly kind = 'cluster';
  readonly identifier: string;
  readonly arn: string;
  readonly writer: Endpoint;
  readonly reader: Endpoint | undefined;
  readonly adminSecret;
  readonly quietHours;
  readonly ready: IDependable;

  constructor(scope: Construct, id: string, props: ServerProps<AuroraDatabase>) {
    super(scope, id);
    const { options, region, key } = props;
    this.identifier = identifierOf(region);
    this.quietHours = quietHours(region, options.quietHourUtc);
    const version = options.version ?? DEFAULT_VERSION;
    const engine = DatabaseClusterEngine.auroraPostgres({
      version: AuroraPostgresEngineVersion.of(version, majorOf(version)),
    });
    const removal = options.removal ?? 'retain';
    const days = options.logDays ?? 90;
    const logs = databaseLogs(this, {
      ...{ of: 'cluster', identifier: this.identifier, exports: ['postgresql'], key, days, removal },
    });
    const { writer, readers } = this.#instances(props);
    const serverless = options.capacity?.kind === 'serverless' ? options.capacity : undefined;
    const cluster = new DatabaseCluster(this, 'Cluster', {
      ...sharedProps(props, monitoringRole(this)),
      ...primaryProps(props),
      engine,
      clusterIdentifier: this.identifier,
      defaultDatabaseName: databaseNameOf(options),
      parameterGroup: parameterGroup(this, engine, props, options.slotKeepMb ?? NO_SLOT_LIMIT),
      writer,
      readers,
      backup: { retention: backupRetention, preferredWindow: this.quietHours.backup },
      cloudwatchLogsExports: ['postgresql'],
      storageType: options.storage === 'io-optimized' ? DBClusterStorageType.AURORA_IOPT1 : DBClusterStorageType.AURORA,
      ...(serverless && {
        serverlessV2MinCapacity: serverless.minUnits,
        serverlessV2MaxCapacity: serverless.maxUnits,
      }),
    });
    acknowledgeServer(cluster, options);
    for (const group of logs) cluster.node.addDependency(group);
    this.arn = (cluster.node.defaultChild as CfnDBCluster).attrDbClusterArn;
    this.writer = endpointOf(cluster.clusterEndpoint.hostname);
    this.reader = readers.length === 0 ? undefined : endpointOf(cluster.clusterReadEndpoint.hostname);
    this.adminSecret = cluster.secret!;
    this.ready = cluster;
  }

  /** Each in a zone of its own, as far as there are zones; which of them writes changes with every failover. */
  #instances({ options, network, key }: ServerProps<AuroraDatabase>) {
    const zones = network.vpc.selectSubnets(network.subnets).availabilityZones;
    const capacity = options.capacity ?? DEFAULT_CAPACITY;
    const instance = (id: string, index: number): IClusterInstance => {
      const place = {
        availabilityZone: zones[index % zones.length] ?? '',
        preferredMaintenanceWindow: this.quietHours.maintenance,
        ...insightsOf(options, key),
      };
      return capacity.kind === 'serverless'
        ? ClusterInstance.serverlessV2(id, { ...place, scaleWithWriter: true })
        : ClusterInstance.provisioned(id, { ...place, instanceType: new InstanceType(capacity.instanceType) });
    };
    const readers = Array.from({ length: options.readers ?? 1 }, (_, index) =>
      instance(`Reader${index + 1}`, index + 1),
    );
    return { writer: instance('Writer', 0), readers };
  }
}
