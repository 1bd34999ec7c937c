import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { alarm } from '../operations/operations.ts';

export type ApplyAlarmsProps = {
  readonly apply: IFunction;
  readonly region: string;
  readonly timeout: Duration;
  readonly alarmTopic: ITopic;
};

const PERIOD = Duration.minutes(5);
/** Of the timeout: a function that comes near it is about to be killed in the middle of its work. */
const DURATION_SHARE = 0.8;

/** What a person should be told of a region's apply function. One failed batch is nothing: it is delivered again. */
export function applyAlarms(scope: Construct, { apply, region, timeout, alarmTopic }: ApplyAlarmsProps): void {
  const common = {
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  };
  const add = (id: string, metric: Metric, threshold: number, periods: number, alarmDescription: string): void =>
    void alarm(
      scope,
      id,
      {
        ...common,
        metric,
        threshold,
        evaluationPeriods: periods,
        alarmName: `concord-${region}-${id}`,
        alarmDescription,
      },
      alarmTopic,
    );
  add(
    'apply-errors',
    apply.metricErrors({ period: PERIOD, statistic: Stats.SUM }),
    1,
    3,
    `Batches have failed for a quarter of an hour: is the database of ${region} away? Nothing is lost, lag grows. Look at the function's log.`,
  );
  add(
    'apply-throttles',
    apply.metricThrottles({ period: PERIOD, statistic: Stats.SUM }),
    1,
    3,
    `Lambda throttles apply in ${region}: raise the account's concurrency, or the function's reserved one.`,
  );
  add(
    'apply-duration',
    apply.metricDuration({ period: PERIOD, statistic: Stats.MAXIMUM }),
    timeout.toMilliseconds() * DURATION_SHARE,
    1,
    `A batch in ${region} took nearly as long as the function may: is something holding locks?`,
  );
  add(
    'parked',
    new Metric({
      namespace: 'Concord',
      metricName: 'parked',
      dimensionsMap: { service: 'apply', region },
      period: PERIOD,
      statistic: Stats.SUM,
    }),
    1,
    1,
    `Records were parked in ${region}: \`concord status\` shows why. They delay nothing; other regions' rows differ until they are in.`,
  );
}
