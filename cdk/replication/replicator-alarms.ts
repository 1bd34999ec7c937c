import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { ReplicationFlow } from '../../connector/replication.ts';
import { alarm } from '../operations/operations.ts';

export type ReplicatorAlarmsProps = {
  readonly name: string;
  readonly flow: ReplicationFlow;
  readonly alarmTopic: ITopic;
};

const MINUTE = Duration.minutes(1);
const MINUTES = 5;
const LATENCY_MS = 300_000;

/** Told in the region that the records come to. */
export function replicatorAlarms(scope: Construct, { name, flow, alarmTopic }: ReplicatorAlarmsProps): void {
  const add = (
    id: string,
    metricName: string,
    threshold: number,
    treatMissingData: TreatMissingData,
    alarmDescription: string,
  ) =>
    alarm(
      scope,
      id,
      {
        metric: new Metric({
          namespace: 'AWS/Kafka',
          metricName,
          dimensionsMap: { ReplicatorName: name },
          period: MINUTE,
          statistic: Stats.MAXIMUM,
        }),
        threshold,
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        evaluationPeriods: MINUTES,
        treatMissingData,
        alarmName: `${name}-${metricName}`,
        alarmDescription,
      },
      alarmTopic,
    );
  const way = `from ${flow.from} to ${flow.into}`;
  add(
    'Latency',
    'ReplicationLatency',
    LATENCY_MS,
    // Heartbeats come every few seconds: no latency means that nothing comes at all.
    TreatMissingData.BREACHING,
    `Changes need more than ${MINUTES} minutes ${way}, or do not come: nothing is lost for as long as the topics keep them.`,
  );
  add(
    'AuthError',
    'AuthError',
    1,
    TreatMissingData.NOT_BREACHING,
    `The replicator ${way} is refused by a cluster: was its role, the cluster policy or the private connectivity changed?`,
  );
}
