import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { encryptLogs } from '../functions/logs-key.ts';

const KEY = 'ReplicationKey';

export const replicatorLogs = (scope: Construct, replicatorName: string): LogGroup =>
  new LogGroup(scope, 'Logs', {
    // The prefix spares the account one of its few resource policies for logs.
    logGroupName: `/aws/vendedlogs/msk-replicator/${replicatorName}`,
    retention: RetentionDays.ONE_MONTH,
    encryptionKey: keyOf(Stack.of(scope)),
    removalPolicy: RemovalPolicy.DESTROY,
  });

/** One for all replicators of a stack. */
function keyOf(stack: Stack): Key {
  const found = stack.node.tryFindChild(KEY);
  if (found instanceof Key) return found;
  const key = new Key(stack, KEY, {
    description: `Concord: logs of ${stack.stackName}`,
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  encryptLogs(key);
  return key;
}
