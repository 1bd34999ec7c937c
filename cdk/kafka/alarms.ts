import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { alarm } from '../operations/operations.ts';

const NAMESPACE = 'AWS/Kafka';
const MINUTE = Duration.minutes(1);
/** Growth sets in at 60 and takes up to six hours. */
const DISK_PERCENT = 85;

export type ClusterAlarmsProps = {
  readonly clusterName: string;
  readonly brokers: number;
  readonly region: string;
  readonly alarmTopic: ITopic;
};

/** What a person should be told of the brokers. */
export function clusterAlarms(scope: Construct, props: ClusterAlarmsProps): void {
  const { clusterName, brokers, region, alarmTopic } = props;
  const metric = (metricName: string, dimensions: Record<string, string> = {}): Metric =>
    new Metric({
      namespace: NAMESPACE,
      metricName,
      dimensionsMap: { 'Cluster Name': clusterName, ...dimensions },
      period: MINUTE,
      statistic: Stats.MAXIMUM,
    });
  const add = (id: string, of: Metric, threshold: number, alarmDescription: string): void => {
    const alarmName = `concord-${region}-${id}`;
    alarm(
      scope,
      id,
      { ...COMMON, metric: of, threshold, evaluationPeriods: 5, alarmName, alarmDescription },
      alarmTopic,
    );
  };
  add(
    'kafka-offline',
    metric('OfflinePartitionsCount'),
    1,
    `Partitions of ${clusterName} have no leader: nobody reads or writes them. Nothing is lost, capture waits.`,
  );
  for (let broker = 1; broker <= brokers; broker++)
    add(
      `kafka-disk-${broker}`,
      metric('KafkaDataLogsDiskUsed', { 'Broker ID': String(broker) }),
      DISK_PERCENT,
      `Broker ${broker} of ${clusterName} is nearly full and would stop: raise maxStorageGib, or shorten the retention.`,
    );
}

export type LagAlarmProps = {
  readonly clusterName: string;
  readonly topic: string;
  readonly group: string;
  readonly minutes: number;
  readonly alarmTopic: ITopic;
};

/** By MSK's own estimate of how long the group needs to catch up; a group that has gone says nothing, the applier's own alarms do. */
export function lagAlarm(scope: Construct, { clusterName, topic, group, minutes, alarmTopic }: LagAlarmProps): void {
  const metric = new Metric({
    namespace: NAMESPACE,
    metricName: 'EstimatedMaxTimeLag',
    dimensionsMap: { 'Cluster Name': clusterName, 'Consumer Group': group, Topic: topic },
    period: MINUTE,
    statistic: Stats.MAXIMUM,
  });
  const alarmDescription = `${group} needs more than ${minutes} minutes to catch up with ${topic}: rows of that region are old here.`;
  const alarmName = `${group.replaceAll('.', '-')}-lag`;
  const threshold = minutes * 60;
  alarm(
    scope,
    `Lag-${topic}`,
    { ...COMMON, metric, threshold, evaluationPeriods: 5, alarmName, alarmDescription },
    alarmTopic,
  );
}

const COMMON = {
  comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  treatMissingData: TreatMissingData.NOT_BREACHING,
};
