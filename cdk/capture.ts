import type { Topology } from '@concord/events';
import { CfnConnector, CfnCustomPlugin } from 'aws-cdk-lib/aws-kafkaconnect';
import { Construct } from 'constructs';
import { connectorName } from '../connector/names.ts';
import { connectorSettings, type SourceDatabase } from '../connector/settings.ts';

export type CaptureProps = {
  readonly topology: Topology;
  readonly region: string;
  /** The password is an expression of the worker's config provider, `${secretsmanager:…}`; never the password itself. */
  readonly database: SourceDatabase;
  /** Of the MSK cluster, for IAM authentication: `b-1.…:9098,…`. */
  readonly bootstrapServers: string;
  readonly subnetIds: string[];
  readonly securityGroupIds: string[];
  /** Where the plugin ZIP of `connector/` lies. Another content needs another key: plugins never change. */
  readonly plugin: { readonly bucketArn: string; readonly key: string };
  /** Names the config provider that reads the password. */
  readonly workerConfiguration: { readonly arn: string; readonly revision: number };
  /** May read the secret, and of Kafka's topics write only `cdc.<region>`. */
  readonly roleArn: string;
  readonly logGroupName: string;
};

/** MSK Connect's newest worker that Debezium 3 runs on. */
const WORKER_VERSION = '3.7.x';
/** One task reads one slot: a second worker would idle. One unit is 1 vCPU and 4 GiB. */
const CAPACITY = { provisionedCapacity: { workerCount: 1, mcuCount: 1 } };

/** The Debezium connector of a region on MSK Connect, with the same settings as everywhere. */
export class Capture extends Construct {
  readonly connector: CfnConnector;

  constructor(scope: Construct, id: string, props: CaptureProps) {
    super(scope, id);
    const { topology, region, database, plugin: zip, workerConfiguration } = props;
    const name = connectorName(region);
    const plugin = new CfnCustomPlugin(this, 'Plugin', {
      name: `${name}-plugin`,
      contentType: 'ZIP',
      location: { s3Location: { bucketArn: zip.bucketArn, fileKey: zip.key } },
    });
    this.connector = new CfnConnector(this, 'Connector', {
      connectorName: name,
      connectorDescription: `Captures ${region} for Concord`,
      connectorConfiguration: { ...connectorSettings({ topology, region, database }) },
      kafkaConnectVersion: WORKER_VERSION,
      capacity: CAPACITY,
      kafkaCluster: {
        apacheKafkaCluster: {
          bootstrapServers: props.bootstrapServers,
          vpc: { subnets: props.subnetIds, securityGroups: props.securityGroupIds },
        },
      },
      kafkaClusterClientAuthentication: { authenticationType: 'IAM' },
      kafkaClusterEncryptionInTransit: { encryptionType: 'TLS' },
      plugins: [{ customPlugin: { customPluginArn: plugin.attrCustomPluginArn, revision: plugin.attrRevision } }],
      workerConfiguration: {
        workerConfigurationArn: workerConfiguration.arn,
        revision: workerConfiguration.revision,
      },
      serviceExecutionRoleArn: props.roleArn,
      logDelivery: { workerLogDelivery: { cloudWatchLogs: { enabled: true, logGroup: props.logGroupName } } },
    });
  }
}
