import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { alarm } from '../operations/operations.ts';

export type AlertAlarmsProps = { readonly alert: IFunction; readonly region: string; readonly alarmTopic: ITopic };

const PERIOD = Duration.minutes(5);

/** What a person should be told of alerts that do not reach anybody. Nothing of it is lost: it waits in the hub's database. */
export function alertAlarms(scope: Construct, { alert, region, alarmTopic }: AlertAlarmsProps): void {
  const add = (id: string, metric: Metric, evaluationPeriods: number, alarmDescription: string): void =>
    void alarm(
      scope,
      id,
      {
        ...{ metric, evaluationPeriods, alarmDescription, alarmName: `concord-${region}-${id}`, threshold: 1 },
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      },
      alarmTopic,
    );
  const ofRuns = (metricName: string, statistic: string): Metric =>
    new Metric({
      namespace: 'Concord',
      metricName,
      dimensionsMap: { service: 'alert', region },
      period: PERIOD,
      statistic,
    });
  add(
    'alert-errors',
    alert.metricErrors({ period: PERIOD, statistic: Stats.SUM }),
    3,
    'Nobody has been told of conflicts for a quarter of an hour: the alert function fails. Is the database of the hub away? Look at its log.',
  );
  add(
    'alerts-unread',
    ofRuns('unreadRegions', Stats.MINIMUM),
    3,
    'The conflict log of a region has not been read for a quarter of an hour: the log of the alert function says of which, and why.',
  );
  add(
    'alerts-late',
    ofRuns('alertsWaiting', Stats.MINIMUM),
    3,
    'Conflicts have been waiting for a quarter of an hour to be told: topic or webhook does not take them. They are tried again for a day; concord.alert in the database of the hub has the reason.',
  );
  add(
    'alerts-given-up',
    ofRuns('alertsGivenUp', Stats.MAXIMUM),
    1,
    'Conflicts that nobody has been told of were given up: refused, or tried for a day. They are kept; docs/deploy.md says how to have them tried again.',
  );
}
