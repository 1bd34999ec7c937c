import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { alarm } from '../operations/operations.ts';

export type ConnectorAlarmsProps = {
  /** Of the connector. */
  readonly name: string;
  readonly region: string;
  readonly alarmTopic: ITopic;
};

const MINUTE = Duration.minutes(1);
/** In minutes. A worker that is replaced is back in less. */
const PATIENCE = 5;

/** Capture beats every few seconds: silence means that it does not work, whatever its status says. */
export function captureAlarms(scope: Construct, props: ConnectorAlarmsProps): void {
  connectorAlarms(scope, props);
  const { name, region, alarmTopic } = props;
  alarm(
    scope,
    'NoHeartbeat',
    {
      metric: connectorMetric(name, 'SourceRecordWriteRate', Stats.MAXIMUM),
      threshold: 0,
      comparisonOperator: ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: PATIENCE,
      treatMissingData: TreatMissingData.BREACHING,
      alarmName: `${name}-no-heartbeat`,
      alarmDescription: `Nothing, not even heartbeats, has come from ${region} for ${PATIENCE} minutes: the other regions see no changes of it, and its slot keeps WAL. Look at the connector's log, and at the database.`,
    },
    alarmTopic,
  );
}

/** A task that failed stays failed. */
export function connectorAlarms(scope: Construct, { name, alarmTopic }: ConnectorAlarmsProps): void {
  alarm(
    scope,
    'FailedTasks',
    {
      metric: connectorMetric(name, 'ErroredTaskCount', Stats.MAXIMUM),
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: PATIENCE,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmName: `${name}-failed-tasks`,
      alarmDescription: `A task of ${name} has failed: its log says why. Nothing is lost while the source keeps what was not read.`,
    },
    alarmTopic,
  );
  alarm(
    scope,
    'NoTasks',
    {
      metric: connectorMetric(name, 'RunningTaskCount', Stats.MAXIMUM),
      threshold: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: PATIENCE,
      treatMissingData: TreatMissingData.BREACHING,
      alarmName: `${name}-no-tasks`,
      alarmDescription: `${name} runs no task: see its state on MSK Connect.`,
    },
    alarmTopic,
  );
}

const connectorMetric = (name: string, metricName: string, statistic: string): Metric =>
  new Metric({
    namespace: 'AWS/KafkaConnect',
    metricName,
    dimensionsMap: { ConnectorName: name },
    period: MINUTE,
    statistic,
  });
