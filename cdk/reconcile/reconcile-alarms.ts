import { Duration } from 'aws-cdk-lib';
import { type AlarmProps, ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { alarm } from '../operations/operations.ts';

export type ReconcileAlarmsProps = {
  readonly machine: IStateMachine;
  readonly region: string;
  readonly alarmTopic: ITopic;
  /** Share of keys, 0 … 1. */
  readonly inconsistencyAlarm: number;
  /** Is there a run each day? */
  readonly isDaily: boolean;
};

const PERIOD = Duration.minutes(5);
const HOUR = Duration.hours(1);
/** A day, and what a run may take. */
const HOURS_WITHOUT = 26;

/** What a person should be told of runs. What they found is in their reports. */
export function reconcileAlarms(scope: Construct, props: ReconcileAlarmsProps): void {
  const { machine, region, alarmTopic } = props;
  const add = (id: string, more: Pick<AlarmProps, 'metric' | 'alarmDescription'> & Partial<AlarmProps>): void =>
    void alarm(
      scope,
      id,
      {
        ...{ alarmName: `concord-${region}-${id}`, threshold: 1, evaluationPeriods: 1 },
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: TreatMissingData.NOT_BREACHING,
        ...more,
      },
      alarmTopic,
    );
  const ofRuns = (metricName: string, period: Duration, statistic: string = Stats.MAXIMUM): Metric =>
    new Metric({
      ...{ namespace: 'Concord', metricName, period, statistic },
      dimensionsMap: { service: 'reconcile', region },
    });
  add('reconcile-failed', {
    metric: machine.metricFailed({ period: PERIOD, statistic: Stats.SUM }),
    alarmDescription:
      'A run could not be planned, or could not write its report: the execution in Step Functions shows why. Nothing was changed that a further run would not do again.',
  });
  add('reconcile-timed-out', {
    metric: machine.metricTimedOut({ period: PERIOD, statistic: Stats.SUM }),
    alarmDescription: 'A run was ended after two days: the execution in Step Functions shows where it stood still.',
  });
  add('inconsistency', {
    metric: ofRuns('inconsistency', PERIOD),
    threshold: props.inconsistencyAlarm,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    alarmDescription: `More than ${props.inconsistencyAlarm * 100} % of the keys that a run compared had diverged: something loses changes. Its report names them; \`undelivered\` says that capture or log lost them.`,
  });
  add('corrupt', {
    metric: ofRuns('corrupt', PERIOD),
    alarmDescription:
      'Regions hold equal versions of a row with different columns: something writes past the triggers, or changes what is stored. The report of the run names rows and columns.',
  });
  if (!props.isDaily) return;
  add('reconcile-missing', {
    metric: ofRuns('complete', HOUR, Stats.SUM),
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    evaluationPeriods: HOURS_WITHOUT,
    treatMissingData: TreatMissingData.BREACHING,
    alarmDescription: `No run has compared all tables of all regions for ${HOURS_WITHOUT} hours: none was started, or all were incomplete. The last report says what was left out. After the first deployment: start one.`,
  });
}
