import { Stack } from 'aws-cdk-lib';
import { type PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnConnector, type CfnCustomPlugin, type CfnWorkerConfiguration } from 'aws-cdk-lib/aws-kafkaconnect';
import type { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { localFact } from '../kafka/cluster-facts.ts';
import type { Network } from '../network/network.ts';
import { acknowledgeWildcards } from '../permissions/acknowledge-wildcards.ts';
import { connectStatements } from './connect-statements.ts';
import { customPlugin, workerConfiguration, workerLogs } from './connector-parts.ts';

export type ConnectorOptions = {
  /** Units of 1 vCPU and 4 GiB for the one worker, about 80 USD/month each. Default 1. */
  readonly mcuCount?: 1 | 2 | 4 | 8;
  /** Default a month. */
  readonly logRetention?: RetentionDays;
  /**
   * Default true. MSK Connect changes only capacity and settings of a connector; a new plugin, worker configuration or role needs a
   * new one, and CloudFormation makes the new one first, which the name forbids. So: deploy with false, then with true. The
   * position is kept, see `offsetTopic`; meanwhile changes wait in the slot.
   */
  readonly running?: boolean;
};

export type MskConnectorProps = {
  readonly options: ConnectorOptions;
  /** Connect keeps positions under it: it never changes. */
  readonly name: string;
  readonly description: string;
  /** Whose cluster the worker writes to and keeps its own topics in. */
  readonly region: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly network: Network;
  /** Besides the one that Connect's workers bear anyway. */
  readonly securityGroupIds?: readonly string[];
  /** Path of the plugin ZIP. */
  readonly pluginZip: string;
  /** What the connector may do besides running. */
  readonly statements: readonly PolicyStatement[];
};

/** MSK Connect's newest worker that Debezium 3 runs on. */
const WORKER_VERSION = '3.7.x';

/** A connector on MSK Connect with one worker, signed in to its cluster with IAM, and all that it runs with. */
export class MskConnector extends Construct {
  /** Undefined while it does not run. */
  readonly connector: CfnConnector | undefined;
  readonly role: Role;
  readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: MskConnectorProps) {
    super(scope, id);
    this.role = this.#role(props);
    this.logGroup = workerLogs(this, { name: props.name, retention: props.options.logRetention });
    const plugin = customPlugin(this, props);
    const worker = workerConfiguration(this, props);
    if (props.options.running === false) return;
    this.connector = this.#connector(props, plugin, worker);
    // The policy is a resource of its own: without it the first start would be refused.
    this.connector.node.addDependency(this.role);
  }

  #connector(props: MskConnectorProps, plugin: CfnCustomPlugin, worker: CfnWorkerConfiguration): CfnConnector {
    const { name, description, region, settings, network, options } = props;
    return new CfnConnector(this, 'Connector', {
      connectorName: name,
      connectorDescription: description,
      connectorConfiguration: { ...settings },
      kafkaConnectVersion: WORKER_VERSION,
      // What is captured comes through one slot, with one reader: a second worker would idle.
      capacity: { provisionedCapacity: { workerCount: 1, mcuCount: options.mcuCount ?? 1 } },
      kafkaCluster: {
        apacheKafkaCluster: {
          bootstrapServers: localFact(this, region, 'bootstrapServers'),
          vpc: {
            subnets: network.vpc.selectSubnets(network.subnets).subnetIds,
            securityGroups: [network.groups.connect.securityGroupId, ...(props.securityGroupIds ?? [])],
          },
        },
      },
      kafkaClusterClientAuthentication: { authenticationType: 'IAM' },
      kafkaClusterEncryptionInTransit: { encryptionType: 'TLS' },
      plugins: [{ customPlugin: { customPluginArn: plugin.attrCustomPluginArn, revision: plugin.attrRevision } }],
      workerConfiguration: { workerConfigurationArn: worker.attrWorkerConfigurationArn, revision: worker.attrRevision },
      serviceExecutionRoleArn: this.role.roleArn,
      logDelivery: { workerLogDelivery: { cloudWatchLogs: { enabled: true, logGroup: this.logGroup.logGroupName } } },
    });
  }

  #role({ name, region, statements }: MskConnectorProps): Role {
    const stack = Stack.of(this);
    const role = new Role(this, 'Role', {
      description: `Runs ${name} on MSK Connect`,
      assumedBy: new ServicePrincipal('kafkaconnect.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': stack.account },
          ArnLike: {
            'aws:SourceArn': stack.formatArn({
              service: 'kafkaconnect',
              resource: 'connector',
              resourceName: `${name}/*`,
            }),
          },
        },
      }),
    });
    const own = connectStatements(localFact(this, region, 'clusterArn'), name);
    for (const statement of [...own, ...statements]) role.addToPolicy(statement);
    acknowledgeWildcards(
      role,
      own,
      "MSK Connect gives its own topics and groups names with the connector's id, which it gives when it makes it.",
    );
    return role;
  }
}
