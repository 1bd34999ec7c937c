import { digestFunction, reconcileFunction, reconcileMachine, repairFunction, type Topology } from '@concord/events';
import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { DefinitionBody, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { ConcordFunction } from '../functions/concord-function.ts';
import { encryptLogs } from '../functions/logs-key.ts';
import { acknowledgeWildcards } from '../permissions/acknowledge-wildcards.ts';
import { DEFAULTS, type ReconcileOptions } from './options.ts';
import { reconcileAlarms } from './reconcile-alarms.ts';
import { COMPARE_LABEL, runDefinition } from './run-definition.ts';
import { RunStore } from './run-store.ts';

export type ReconcileProps = {
  readonly options: ReconcileOptions;
  readonly topology: Topology;
  /** Account by region; undefined: that of whoever deploys. */
  readonly accounts: ReadonlyMap<string, string | undefined>;
  readonly alarmTopic: ITopic;
};

/** Lambda's longest: a stage does as much as fits, and most wait for the regions. */
const TIMEOUT = Duration.minutes(15);

/** Compares all regions each day, or when somebody asks for it: `aws stepfunctions start-execution`. */
export class Reconcile extends Construct {
  readonly function: IFunction;
  readonly machine: StateMachine;

  constructor(scope: Construct, id: string, props: ReconcileProps) {
    super(scope, id);
    const { topology, alarmTopic } = props;
    const { hub: region } = topology;
    const options = { ...DEFAULTS, ...props.options };
    const key = new Key(this, 'Key', {
      description: 'Concord: reconciliation',
      enableKeyRotation: true,
      // Reports can be read as long as they are kept.
      removalPolicy: RemovalPolicy.RETAIN,
    });
    encryptLogs(key);
    const store = new RunStore(this, 'Runs', { key });
    const { function: reconcile } = new ConcordFunction(this, 'Function', {
      name: 'reconcile',
      functionName: reconcileFunction(region),
      description: 'Compares and repairs all regions, a stage of a run at a time',
      ...{ topology, region, key },
      // From inside of it other regions could not be reached.
      network: undefined,
      environment: {
        CONCORD_RECONCILE: Stack.of(this).toJsonString({
          bucket: store.bucket.bucketName,
          accounts: otherAccounts(props),
        }),
      },
      timeout: TIMEOUT,
      // The lines of all ranges of a table that differ are in memory at once.
      memoryMb: 1769,
      logRetention: RetentionDays.THREE_MONTHS,
    });
    this.function = reconcile;
    store.grantReadWrite(reconcile);
    this.#grantInvoke(props);
    this.machine = this.#machine(region, options);
    if (options.daily !== false) this.#daily(options.daily, { mode: options.mode, repair: options.repair });
    reconcileAlarms(this, {
      ...{ machine: this.machine, region, alarmTopic, isDaily: options.daily !== false },
      inconsistencyAlarm: options.inconsistencyAlarm,
    });
  }

  #machine(region: string, { concurrency, waitMinutes }: Required<ReconcileOptions>): StateMachine {
    const { functionArn } = this.function;
    const timeoutSeconds = TIMEOUT.toSeconds();
    const definition = runDefinition({ functionArn, timeoutSeconds, concurrency, waitMinutes });
    const machine = new StateMachine(this, 'Machine', {
      stateMachineName: reconcileMachine(region),
      stateMachineType: StateMachineType.STANDARD,
      definitionBody: DefinitionBody.fromString(Stack.of(this).toJsonString(definition)),
      comment: 'Concord: reconciliation',
    });
    machine.addToRolePolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [functionArn] }));
    this.#grantChildren(machine, reconcileMachine(region));
    Validations.of(machine).acknowledge(
      {
        id: 'AwsSolutions-SF1',
        reason:
          'Step Functions keeps every event of an execution for 90 days by itself; to write them a second time the role would need rights on all log groups and on their resource policies.',
      },
      {
        id: 'Serverless-StepFunctionStateMachineXray',
        reason:
          'The history shows the time of each stage; X-Ray knows no resource, so the role would get its actions on *.',
      },
      {
        id: 'AwsSolutions-SF2',
        reason:
          'The history shows the time of each stage; X-Ray knows no resource, so the role would get its actions on *.',
      },
    );
    return machine;
  }

  /** What a distributed map needs: it starts executions of its own state machine, follows them, and goes on with them. By name, or role and machine need each other. */
  #grantChildren(machine: StateMachine, name: string): void {
    const { partition, region, account } = Stack.of(this);
    const arn = (resource: string): string => `arn:${partition}:states:${region}:${account}:${resource}`;
    const start = new PolicyStatement({ actions: ['states:StartExecution'], resources: [arn(`stateMachine:${name}`)] });
    const follow = new PolicyStatement({
      actions: ['states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution'],
      resources: [arn(`execution:${name}/${COMPARE_LABEL}:*`)],
    });
    for (const statement of [start, follow]) machine.addToRolePolicy(statement);
    acknowledgeWildcards(machine.role, [follow], 'Step Functions names the child executions as it starts them.');
  }

  #daily({ hour, minute }: { readonly hour: number; readonly minute: number }, input: object): void {
    const rule = new Rule(this, 'Daily', {
      description: 'Concord: compares all regions',
      schedule: Schedule.cron({ hour: String(hour), minute: String(minute) }),
      targets: [new SfnStateMachine(this.machine, { input: RuleTargetInput.fromObject(input) })],
    });
    Validations.of(rule).acknowledge({
      id: 'Serverless-EventBusDLQ',
      reason: 'An event says nothing but that it is time; a day without a run raises an alarm.',
    });
  }

  /** By name: the functions are in stacks of other regions. */
  #grantInvoke({ topology: { regions }, accounts }: ReconcileProps): void {
    const { partition, account: own } = Stack.of(this);
    const resources = regions.flatMap(({ name: region }) =>
      [digestFunction(region), repairFunction(region)].map(
        (name) => `arn:${partition}:lambda:${region}:${accounts.get(region) ?? own}:function:${name}`,
      ),
    );
    this.function.addToRolePolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources }));
  }
}

/** Regions that are not in the hub's account. */
function otherAccounts({ accounts, topology: { hub } }: ReconcileProps): Record<string, string> {
  const others = [...accounts].flatMap(([region, account]) =>
    account === undefined || account === accounts.get(hub) ? [] : [[region, account]],
  );
  return Object.fromEntries(others);
}
