import { type Topology, topicOf } from '@concord/events';
import { Stack, Tokenization } from 'aws-cdk-lib';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { connectorName } from '../../connector/names.ts';
import { connectorSettings, type SourceDatabase } from '../../connector/settings.ts';
import { secretExpression } from '../../connector/worker.ts';
import type { Database } from '../database/database.ts';
import { localFact } from '../kafka/cluster-facts.ts';
import { writeTopics } from '../kafka/policies.ts';
import type { Network } from '../network/network.ts';
import { readSecret } from '../permissions/read-secret.ts';
import { captureAlarms } from './capture-alarms.ts';
import { type ConnectorOptions, MskConnector } from './msk-connector.ts';

export type CaptureOptions = ConnectorOptions & {
  /**
   * Path, on the worker, of the CA that signed the database's certificate. Without it the connection is encrypted, and the server is not
   * checked: workers of MSK Connect have no files but those of the plugin.
   */
  readonly rootCertFile?: string;
};

export type CaptureConnectorProps = {
  readonly options: CaptureOptions;
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly database: Pick<Database, 'direct' | 'databaseName' | 'sslmode'> & {
    readonly secrets: Pick<Database['secrets'], 'capture'>;
  };
  /** Path of the plugin ZIP: `pluginZip()` of `connector/plugin-zip.ts`, checked by `checkPluginZip`. */
  readonly pluginZip: string;
  readonly alarmTopic: ITopic;
};

/** The role that enrolling makes. */
const USER = 'concord_capture';

/**
 * A region's changes into its own topic: the Debezium connector on MSK Connect, with the settings that it has everywhere. Deploy it after
 * enrolling, which makes the publication, and after the cluster, whose facts it reads.
 */
export class CaptureConnector extends Construct {
  readonly connector: MskConnector;

  constructor(scope: Construct, id: string, props: CaptureConnectorProps) {
    super(scope, id);
    const { options, region, network, database, pluginZip, alarmTopic } = props;
    const name = connectorName(region);
    this.connector = new MskConnector(this, 'Connector', {
      ...{ options, name, region, network, pluginZip },
      description: `Captures ${region} for Concord`,
      settings: captureSettings(props),
      statements: [
        ...writeTopics(localFact(this, region, 'clusterArn'), [topicOf(region)]),
        ...readSecret(Stack.of(this), database.secrets.capture),
      ],
    });
    if (options.running !== false) captureAlarms(this, { name, region, alarmTopic });
  }
}

function captureSettings({ options, topology, region, database }: CaptureConnectorProps): Record<string, string> {
  const { host, port } = database.direct;
  const source: SourceDatabase = {
    host,
    port,
    name: database.databaseName,
    user: USER,
    // Read at each connection: a rotation needs no restart.
    password: { id: database.secrets.capture.secretArn, region },
    tls: tlsOf(database.sslmode, options.rootCertFile),
  };
  const settings = connectorSettings({ topology, region, database: source });
  // A port that CloudFormation knows is no number yet.
  return { ...settings, 'database.port': Tokenization.stringifyNumber(port) };
}

const tlsOf = (sslmode: Database['sslmode'], rootCertFile: string | undefined): SourceDatabase['tls'] => {
  if (sslmode === 'disable') return undefined;
  return rootCertFile === undefined ? 'require' : { rootCertFile };
};

/** `secretExpression` checks what it is given, and an ARN that CloudFormation fills in does not look like one yet. */
export const secretValue = (secret: ISecret, key: string): string =>
  secretExpression('SECRET', key).replace('SECRET', () => secret.secretArn);
