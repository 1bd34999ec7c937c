import { OUT_OF_TIME, type ReconcileRequest } from '@concord/events';

export type RunDefinition = {
  readonly functionArn: string;
  /** Of the function. */
  readonly timeoutSeconds: number;
  /** Parts that are compared at a time. */
  readonly concurrency: number;
  readonly waitMinutes: number;
};

/** Of the Amazon States Language, with JSONPath. */
type State = { readonly Type: string; readonly [field: string]: unknown };

const WAIT_SECONDS = 5;
/** What is not done in one invocation goes on in the next: at most a day's worth of them. */
const MOST_ROUNDS = 100;
/** Parts of different tables may be judged at a time; a judgement reads single keys. */
const TABLES_AT_A_TIME = 4;
/** Of the label, as child executions bear it. */
export const COMPARE_LABEL = 'Compare';
/** Of a whole run: longer than it could ever last, so that one that hangs ends by itself. */
export const RUN_TIMEOUT_HOURS = 48;

/** What Lambda itself fails with for a moment. */
const SERVICE = [
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.TooManyRequestsException',
];
const BACKOFF = { BackoffRate: 2, MaxDelaySeconds: 60, JitterStrategy: 'FULL' };
const RETRIES = [
  { ErrorEquals: SERVICE, IntervalSeconds: 2, MaxAttempts: 6, ...BACKOFF },
  // It goes on where it was.
  { ErrorEquals: [OUT_OF_TIME], IntervalSeconds: 1, MaxAttempts: MOST_ROUNDS, ...BACKOFF },
  // A region away for a moment, a function that was killed: a stage that is tried again does the same again.
  { ErrorEquals: ['States.ALL'], IntervalSeconds: 5, MaxAttempts: 3, ...BACKOFF },
];
/** An input that was refused is refused again. */
const NEVER = { ErrorEquals: ['TypeError'], MaxAttempts: 0 };

/**
 * The state machine of a run. Nothing but names and counts is in its state: what was read lies in the run's store. Whatever fails, the
 * run goes on with what is left, and reports what it knows: of a part that could not be compared, that it is incomplete.
 */
export function runDefinition(run: RunDefinition): object {
  const invoke = invoking(run);
  const caught = (Next: string): object => ({ Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next }] });
  const eachTable = (stage: 'judge' | 'verify', Next: string): State => ({
    Type: 'Map',
    ItemsPath: '$.tables',
    ItemSelector: { 'run.$': '$.run', 'table.$': '$$.Map.Item.Value' },
    MaxConcurrency: TABLES_AT_A_TIME,
    ItemProcessor: leavingOut({ Mode: 'INLINE' }, stage, invoke(stage, { 'table.$': '$.table' })),
    ResultPath: null,
    ...caught('Report'),
    Next,
  });
  const States: Readonly<Record<string, State>> = {
    Plan: {
      ...invoke('plan', { 'run.$': '$$.Execution.Name', 'input.$': '$' }),
      Retry: [NEVER, ...RETRIES],
      ResultSelector: {
        ...pick('run', 'parts', 'tables', 'regions', 'repair'),
        ...{ asked: { count: 0 }, rounds: { count: 0 }, error: null },
      },
      Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Not planned' }],
      Next: 'Ready',
    },
    'Not planned': { Type: 'Fail', ErrorPath: '$.Error', CausePath: '$.Cause' },
    Ready: {
      ...invoke('ready'),
      ResultSelector: pick('ready', 'behind'),
      ResultPath: '$.ready',
      ...caught('Report'),
      Next: 'Is every region ready?',
    },
    'Is every region ready?': choice(
      [
        [{ Variable: '$.ready.ready', BooleanEquals: true }, 'Compare'],
        // What a region has not applied by then counts as in flight, and the report names the region.
        [atLeast('$.asked.count', (run.waitMinutes * 60) / WAIT_SECONDS), 'Compare'],
      ],
      'Wait',
    ),
    Wait: { Type: 'Wait', Seconds: WAIT_SECONDS, Next: 'Ask again' },
    'Ask again': counting('$.asked', 'Ready'),
    Compare: {
      Type: 'Map',
      Label: COMPARE_LABEL,
      ItemsPath: '$.parts',
      ItemSelector: {
        'run.$': '$.run',
        'table.$': '$$.Map.Item.Value.table',
        'part.$': '$$.Map.Item.Value.part',
      },
      MaxConcurrency: run.concurrency,
      // Child executions, each with a history of its own: thousands of parts do not fit into one.
      ItemProcessor: leavingOut(
        { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        'compare',
        invoke('compare', { 'table.$': '$.table', 'part.$': '$.part' }),
      ),
      ResultPath: null,
      ...caught('Judge'),
      Next: 'Judge',
    },
    Judge: eachTable('judge', 'Is it to be repaired?'),
    'Is it to be repaired?': choice([[{ Variable: '$.repair', BooleanEquals: true }, 'Repair']], 'Collect'),
    Repair: {
      Type: 'Map',
      ItemsPath: '$.regions',
      ItemSelector: { 'run.$': '$.run', 'region.$': '$$.Map.Item.Value', rounds: { count: 0 } },
      ItemProcessor: {
        ProcessorConfig: { Mode: 'INLINE' },
        StartAt: 'Repair a region',
        States: {
          ...untilDone('Repair a region', invoke('repair', { 'region.$': '$.region' }), 'Done'),
          Done: NOTHING,
        },
      },
      ResultPath: null,
      ...caught('Report'),
      Next: 'Verify',
    },
    Verify: eachTable('verify', 'Collect'),
    ...untilDone('Collect', invoke('collect'), 'Report'),
    Report: {
      ...invoke('report', { 'error.$': '$.error' }),
      ResultSelector: pick('verdict', 'differences', 'rows'),
      End: true,
    },
  };
  return {
    Comment: 'Compares all regions, repairs what differs, collects tombstones, and reports.',
    QueryLanguage: 'JSONPath',
    StartAt: 'Plan',
    TimeoutSeconds: RUN_TIMEOUT_HOURS * 3600,
    States,
  };
}

/** Of what the function answered. */
const pick = (...names: readonly string[]): object =>
  Object.fromEntries(names.map((name) => [`${name}.$`, `$.Payload.${name}`]));

const invoking =
  ({ functionArn, timeoutSeconds }: RunDefinition) =>
  (stage: ReconcileRequest['do'], request: Readonly<Record<string, string>> = {}): State => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: functionArn, Payload: { do: stage, 'run.$': '$.run', ...request } },
    // Lambda ends it before: this is for an answer that got lost.
    TimeoutSeconds: timeoutSeconds + 60,
    Retry: RETRIES,
  });

const atLeast = (Variable: string, NumericGreaterThanEquals: number): object => ({
  Variable,
  NumericGreaterThanEquals,
});

const choice = (choices: readonly (readonly [object, string])[], Default: string): State => ({
  Type: 'Choice',
  Choices: choices.map(([condition, Next]) => ({ ...condition, Next })),
  Default,
});

const counting = (path: string, Next: string): State => ({
  Type: 'Pass',
  Parameters: { 'count.$': `States.MathAdd(${path}.count, 1)` },
  ResultPath: path,
  Next,
});

const NOTHING: State = { Type: 'Pass', Result: {}, End: true };

/** One stage; what was given up after all retries is left out, and the others go on. Answers are small: all of them make one state. */
const leavingOut = (ProcessorConfig: object, stage: string, task: State): object => ({
  ProcessorConfig,
  StartAt: stage,
  States: {
    [stage]: {
      ...task,
      ResultSelector: {},
      Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Left out' }],
      End: true,
    },
    'Left out': NOTHING,
  },
});

/** The stage again and again while it answers that it is not done; then, or when it fails for good, `next`. */
const untilDone = (name: string, task: State, next: string): Readonly<Record<string, State>> => ({
  [name]: {
    ...task,
    ResultSelector: pick('done'),
    ResultPath: '$.answer',
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: next }],
    Next: `${name}: done?`,
  },
  [`${name}: done?`]: choice(
    [
      [{ Variable: '$.answer.done', BooleanEquals: true }, next],
      [atLeast('$.rounds.count', MOST_ROUNDS), next],
    ],
    `${name}: again`,
  ),
  [`${name}: again`]: counting('$.rounds', name),
});
