import { RemovalPolicy } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { encryptLogs } from '../functions/logs-key.ts';
import type { Removal } from './options.ts';

/** What a snapshot or a password was encrypted with is kept for as long as they may be. */
export const keyRemoval = (removal: Removal): RemovalPolicy =>
  removal === 'destroy' ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;

/** Of a region's data: storage, insights, logs, the secrets of the roles. 1 USD/month. */
export function databaseKey(scope: Construct, region: string, removal: Removal): Key {
  const key = new Key(scope, 'Key', {
    description: `Concord: database of ${region}`,
    enableKeyRotation: true,
    removalPolicy: keyRemoval(removal),
  });
  encryptLogs(key);
  return key;
}
