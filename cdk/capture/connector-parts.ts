import { createHash } from 'node:crypto';
import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnCustomPlugin, CfnWorkerConfiguration } from 'aws-cdk-lib/aws-kafkaconnect';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { workerProperties } from '../../connector/worker.ts';
import { encryptLogs } from '../functions/logs-key.ts';
import { offsetTopic } from './connect-statements.ts';

const DIGEST_LENGTH = 12;

/** Plugins never change: another content is another plugin. */
export function customPlugin(
  scope: Construct,
  { name, pluginZip }: { readonly name: string; readonly pluginZip: string },
): CfnCustomPlugin {
  const zip = new Asset(scope, 'PluginZip', { path: pluginZip });
  return new CfnCustomPlugin(scope, 'Plugin', {
    name: `${name}-${zip.assetHash.slice(0, DIGEST_LENGTH)}`,
    contentType: 'ZIP',
    location: { s3Location: { bucketArn: zip.bucket.bucketArn, fileKey: zip.s3ObjectKey } },
  });
}

/** Nor do worker configurations. */
export function workerConfiguration(
  scope: Construct,
  { name, region }: { readonly name: string; readonly region: string },
): CfnWorkerConfiguration {
  const properties = workerProperties({ region, offsetTopic: offsetTopic(name) });
  const digest = createHash('sha256').update(properties).digest('hex').slice(0, DIGEST_LENGTH);
  return new CfnWorkerConfiguration(scope, 'Worker', {
    name: `${name}-${digest}`,
    propertiesFileContent: Buffer.from(properties).toString('base64'),
  });
}

export type WorkerLogsProps = { readonly name: string; readonly retention: RetentionDays | undefined };

export function workerLogs(scope: Construct, { name, retention = RetentionDays.ONE_MONTH }: WorkerLogsProps): LogGroup {
  const encryptionKey = new Key(scope, 'Key', {
    description: `Concord: log of ${name}`,
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  encryptLogs(encryptionKey);
  return new LogGroup(scope, 'Logs', {
    // The prefix spares the account one of its few resource policies for logs.
    logGroupName: `/aws/vendedlogs/msk-connect/${name}`,
    retention,
    encryptionKey,
    removalPolicy: RemovalPolicy.DESTROY,
  });
}
