import type { DigestMode, TopologyProblem } from '@concord/events';

/**
 * How the hub compares all regions, and repairs what differs. 1 USD/month for a key here and in each region, and by use: a run over 100
 * million rows costs some 0.10 USD of Step Functions, Lambda and S3 (800 parts), beside the databases' own I/O. Between regions only digests
 * travel, and versions of what differs.
 */
export type ReconcileOptions = {
  /** When a run begins each day, UTC. Default 02:30: no hour is night everywhere. False: only when somebody starts one. */
  readonly daily?: { readonly hour: number; readonly minute: number } | false;
  /** Of the daily run. Default `full`: only it sees a row whose columns were changed without a new stamp. */
  readonly mode?: DigestMode;
  /**
   * Does the daily run repair what it finds? Default true: it writes nothing but what apply would have written, and while regions differ
   * no tombstone is collected. False: somebody reads the report, and starts a run that repairs.
   */
  readonly repair?: boolean;
  /** Parts that are compared at a time, each in all regions. Default 4; more load the databases more. */
  readonly concurrency?: number;
  /** Default 60: how long a run waits for a region that is behind. What it lacks then counts as in flight, and the report says so. */
  readonly waitMinutes?: number;
  /** Share of diverged and corrupt keys among all, above which an alarm is raised. Default 0.01. */
  readonly inconsistencyAlarm?: number;
};

export const DEFAULTS = {
  daily: { hour: 2, minute: 30 },
  mode: 'full',
  repair: true,
  concurrency: 4,
  waitMinutes: 60,
  inconsistencyAlarm: 0.01,
} as const satisfies Required<ReconcileOptions>;

const LIMITS: readonly (readonly [keyof ReconcileOptions & ('concurrency' | 'waitMinutes'), number, number, string])[] =
  [
    ['concurrency', 1, 100, 'each takes a connection in every region'],
    ['waitMinutes', 1, 120, 'a longer wait would not fit into the history of an execution'],
  ];

/** Options that CloudFormation or Step Functions would refuse. */
export function* reconcileProblems(options: ReconcileOptions): Generator<TopologyProblem> {
  for (const [name, least, most, hint] of LIMITS) {
    const value = options[name];
    if (value !== undefined && !isBetween(value, least, most))
      yield { path: `reconcile.${name}`, reason: `${value} is not ${least} to ${most}`, hint };
  }
  const { daily, inconsistencyAlarm } = options;
  if (daily && !(isBetween(daily.hour, 0, 23) && isBetween(daily.minute, 0, 59)))
    yield {
      path: 'reconcile.daily',
      reason: `${daily.hour}:${daily.minute} is no time of day`,
      hint: 'hour 0 to 23, minute 0 to 59, UTC',
    };
  if (inconsistencyAlarm !== undefined && !(inconsistencyAlarm > 0 && inconsistencyAlarm <= 1))
    yield {
      path: 'reconcile.inconsistencyAlarm',
      reason: `${inconsistencyAlarm} is no share`,
      hint: 'more than 0, at most 1: 0.01 is one key of a hundred',
    };
}

const isBetween = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;
