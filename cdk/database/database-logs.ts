import { RemovalPolicy } from 'aws-cdk-lib';
import type { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Removal } from './options.ts';

/** A group bears the name that RDS gives it: kept, it would stand in the way of the next first deployment that failed half-way. */
export const logRemoval = (removal: Removal): RemovalPolicy =>
  removal === 'retain' ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY;

export type DatabaseLogsProps = {
  readonly of: 'cluster' | 'instance';
  readonly identifier: string;
  readonly exports: readonly string[];
  readonly key: Key;
  readonly days: RetentionDays;
  readonly removal: Removal;
};

/**
 * The groups that RDS writes to, made before it would make them itself, unencrypted and for ever. (The library's `cloudwatchLogsRetention`
 * does it afterwards, by a custom resource that may change the retention of every group.)
 */
export const databaseLogs = (scope: Construct, props: DatabaseLogsProps): LogGroup[] =>
  props.exports.map(
    (name) =>
      new LogGroup(scope, `Logs-${name}`, {
        logGroupName: `/aws/rds/${props.of}/${props.identifier}/${name}`,
        encryptionKey: props.key,
        retention: props.days,
        removalPolicy: logRemoval(props.removal),
      }),
  );
