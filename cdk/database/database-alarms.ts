import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { alarm } from '../operations/operations.ts';
import type { Server } from './created.ts';
import type { CreatedDatabase } from './options.ts';

const PERIOD = Duration.minutes(5);
const BYTES_PER_MIB = 1024 * 1024;
const BYTES_PER_GIB = 1024 * BYTES_PER_MIB;

type Threshold = {
  readonly metric: Metric;
  readonly threshold: number;
  /** Of five minutes, one after the other. */
  readonly periods: number;
  readonly below?: true;
  readonly description: string;
};

/** Quiet where there is no value: a slot that capture has not made yet has no lag. */
function add(scope: Construct, id: string, alarmName: string, topic: ITopic, { below, ...props }: Threshold): void {
  alarm(
    scope,
    id,
    {
      metric: props.metric,
      threshold: props.threshold,
      evaluationPeriods: props.periods,
      comparisonOperator: below
        ? ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD
        : ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmName,
      alarmDescription: props.description,
    },
    topic,
  );
}

const rdsMetric = (metricName: string, dimensionsMap: Record<string, string>, statistic: string): Metric =>
  new Metric({ namespace: 'AWS/RDS', metricName, dimensionsMap, period: PERIOD, statistic });

export type ServerAlarmsProps = {
  readonly region: string;
  readonly server: Server;
  readonly options: CreatedDatabase;
  readonly proxyName: string | undefined;
  readonly alarmTopic: ITopic;
};

/** What a person should be told of a database that is made here. */
export function serverAlarms(
  scope: Construct,
  { region, server, options, proxyName, alarmTopic }: ServerAlarmsProps,
): void {
  const dimensions: Record<string, string> =
    server.kind === 'cluster'
      ? { DBClusterIdentifier: server.identifier }
      : { DBInstanceIdentifier: server.identifier };
  const thresholds: Record<string, Threshold> = {
    'database-cpu': {
      metric: rdsMetric(
        'CPUUtilization',
        server.kind === 'cluster' ? { ...dimensions, Role: 'WRITER' } : dimensions,
        Stats.AVERAGE,
      ),
      threshold: 80,
      periods: 3,
      description: `The database of ${region} has been busy for a quarter of an hour: see Database Insights, take a larger instance.`,
    },
    'database-connections': {
      metric: rdsMetric('DatabaseConnections', dimensions, Stats.MAXIMUM),
      threshold: options.connectionsAlarm ?? 1000,
      periods: 3,
      description: `The database of ${region} has many sessions: once there is no other, applications and apply are refused.`,
    },
    'slot-lag': {
      metric: rdsMetric('OldestReplicationSlotLag', dimensions, Stats.MAXIMUM),
      threshold: (options.slotLagAlarmMb ?? 5120) * BYTES_PER_MIB,
      periods: 2,
      description: `A slot in ${region} keeps WAL that nobody reads: is the connector running? \`concord status\` names the slot. WAL grows until the slot is lost or storage is full.`,
    },
    'wal-size': {
      metric: rdsMetric('TransactionLogsDiskUsage', dimensions, Stats.MAXIMUM),
      threshold: 2 * (options.slotLagAlarmMb ?? 5120) * BYTES_PER_MIB,
      periods: 2,
      description: `The WAL of ${region} is large: a slot that is not read, or a transaction that has been open for long.`,
    },
    ...(server.kind === 'instance'
      ? {
          'database-storage': {
            metric: rdsMetric('FreeStorageSpace', dimensions, Stats.MINIMUM),
            threshold: 10 * BYTES_PER_GIB,
            periods: 1,
            below: true,
            description: `The database of ${region} has 10 GiB left: storage grows by itself only every six hours, and up to maxStorageGb.`,
          },
        }
      : {}),
    ...(proxyName !== undefined
      ? {
          'proxy-pinned': {
            metric: rdsMetric('DatabaseConnectionsCurrentlySessionPinned', { ProxyName: proxyName }, Stats.MAXIMUM),
            threshold: 1,
            periods: 3,
            description: `Sessions of the proxy in ${region} are pinned: something other than apply uses it, or a statement of apply's changes its session.`,
          },
        }
      : {}),
  };
  for (const [id, threshold] of Object.entries(thresholds))
    add(scope, id, `concord-${region}-${id}`, alarmTopic, threshold);
}

/** A password that could not be rotated stays as it is; nothing stops. */
export const rotationAlarm = (scope: Construct, region: string, rotate: IFunction, topic: ITopic): void =>
  add(scope, 'rotation', `concord-${region}-rotation`, topic, {
    metric: rotate.metricErrors({ period: PERIOD, statistic: Stats.SUM }),
    threshold: 1,
    periods: 1,
    description: `A password of Concord's roles in ${region} was not rotated: the old one stays valid. Look at the log of the rotate function. Expected once, at the first deployment, before enrolling has made the roles.`,
  });
