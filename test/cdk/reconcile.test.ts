import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseReconcileRequest } from '@concord/events';
import { Template } from 'aws-cdk-lib/assertions';
import { HubStage } from '../../cdk/hub-stage.ts';
import type { Deployment } from '../../cdk/read-deployment.ts';
import { type ReconcileOptions, reconcileProblems } from '../../cdk/reconcile/options.ts';
import { runDefinition } from '../../cdk/reconcile/run-definition.ts';
import { RegionStage } from '../../cdk/region-stage.ts';
import { deploymentWith, REGIONS } from '../support/region-templates.ts';
import { topologyOf } from '../support/regions.ts';
import {
  actionsOf,
  checked,
  resourceOf,
  resourcesOf,
  type Statement,
  statementsOf,
  strictApp,
} from '../support/templates.ts';

const [HUB, OTHER] = ['us-east-1', 'eu-west-1'] as const;
const [ACCOUNT, ELSEWHERE] = ['111122223333', '444455556666'];
const FUNCTION = 'AWS::Lambda::Function';
const MACHINE = 'AWS::StepFunctions::StateMachine';
const topology = topologyOf({ names: REGIONS, tables: ['public.users'] });
const kafka = { kind: 'existing', bootstrapServers: ['b1.example:9096'], readerSecret: 'reader' } as const;

/** The stacks of hub and one other region, by name, with what their constructs warn of. */
function stacksOf(more: Partial<Deployment> = {}) {
  const app = strictApp();
  const deployment = { ...deploymentWith({ kafka }), ...more };
  const stages = [HUB, OTHER].map(
    (region) => new RegionStage(app, { topology, region, deployment, pluginZip: undefined }),
  );
  const hub = new HubStage(app, { topology, deployment });
  const warnings = checked(app);
  const stacks = [...stages, hub].flatMap((stage) => stage.synth().stacks);
  return {
    warnings,
    of: (name: string): Template => Template.fromJSON(stacks.find(({ stackName }) => stackName === name)?.template),
  };
}

const standard = stacksOf();
const hubStack = standard.of('Concord-hub-Reconcile');
const optionsOf = (reconcile: ReconcileOptions): Template => stacksOf({ reconcile }).of('Concord-hub-Reconcile');

/** As Step Functions gets it, `<arn>` for what CloudFormation fills in. */
function definitionOf(template: Template): object {
  const { DefinitionString: text } = resourceOf(template, MACHINE).Properties;
  const parts: unknown[] = typeof text === 'string' ? [text] : text['Fn::Join'][1];
  return JSON.parse(parts.map((part) => (typeof part === 'string' ? part : '<arn>')).join(''));
}

describe('reconciliation in the hub', () => {
  const [reconcile] = Object.values(resourcesOf(hubStack, FUNCTION)).map(({ Properties }) => Properties);

  test('one function, from outside of any network, with time for a stage', () => {
    assert.equal(Object.keys(resourcesOf(hubStack, FUNCTION)).length, 1);
    assert.equal(reconcile.FunctionName, `concord-${HUB}-reconcile`);
    assert.equal(reconcile.VpcConfig, undefined);
    assert.equal(reconcile.Timeout, 900);
    assert.match(JSON.stringify(reconcile.Environment.Variables.CONCORD_RECONCILE), /accounts/);
  });

  const ofRole = (name: RegExp): Statement[] => statementsOf(hubStack, name).filter(({ Effect }) => Effect === 'Allow');

  test('which may invoke exactly what reads and repairs, and keep its runs', () => {
    const allowed = ofRole(/Function/);
    const [invoke, ...more] = allowed.filter((one) => actionsOf(one).includes('lambda:InvokeFunction'));
    assert.deepEqual(more, []);
    const names = [...JSON.stringify(invoke?.Resource).matchAll(/:lambda:([^:]+):.*?:function:([^"]+)"/g)].map(
      ([, region, name]) => [region, name],
    );
    const expected = REGIONS.flatMap((region) =>
      ['digest', 'repair'].map((name) => [region, `concord-${region}-${name}`]),
    );
    assert.deepEqual(names, expected);
    const actions = new Set(allowed.flatMap(actionsOf));
    for (const action of actions) assert.doesNotMatch(action, /\*|^states:|Delete/);
    const objects = allowed.find((one) => actionsOf(one).includes('s3:PutObject'));
    assert.match(JSON.stringify(objects?.Resource), /ReconcileRunsBucket.*"\/\*"/);
  });

  test('the machine may invoke it, and start and follow its own parts', () => {
    const allowed = ofRole(/MachineRole/);
    const found = allowed.map((one) => [actionsOf(one).join(), JSON.stringify(one.Resource)] as const);
    assert.deepEqual(
      found.map(([actions]) => actions),
      [
        'lambda:InvokeFunction',
        'states:StartExecution',
        'states:DescribeExecution,states:StopExecution,states:RedriveExecution',
      ],
    );
    const [, invoked] = found[0] ?? [];
    assert.equal(invoked, JSON.stringify({ 'Fn::GetAtt': [resourceOf(hubStack, FUNCTION).id, 'Arn'] }));
    assert.match(found[1]?.[1] ?? '', new RegExp(`:stateMachine:concord-${HUB}-reconcile"`));
    assert.match(found[2]?.[1] ?? '', new RegExp(`:execution:concord-${HUB}-reconcile/Compare:\\*"`));
    assert.equal(resourceOf(hubStack, MACHINE).Properties.StateMachineName, `concord-${HUB}-reconcile`);
  });

  test('the machine is as it is defined, with the options of the deployment', () => {
    const standard = { functionArn: '<arn>', timeoutSeconds: reconcile.Timeout, concurrency: 4, waitMinutes: 60 };
    assert.deepEqual(definitionOf(hubStack), runDefinition(standard));
    const options = { concurrency: 20, waitMinutes: 5 };
    assert.deepEqual(definitionOf(optionsOf(options)), runDefinition({ ...standard, ...options }));
  });

  test('its runs are encrypted, kept for 90 days, and closed to everybody else', () => {
    const { Properties, DeletionPolicy, UpdateReplacePolicy } = resourceOf(hubStack, 'AWS::S3::Bucket');
    assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], ['Retain', 'Retain']);
    const [rule] = Properties.BucketEncryption.ServerSideEncryptionConfiguration;
    assert.equal(rule.ServerSideEncryptionByDefault.SSEAlgorithm, 'aws:kms');
    assert.deepEqual(new Set(Object.values(Properties.PublicAccessBlockConfiguration)), new Set([true]));
    const days = Properties.LifecycleConfiguration.Rules.map(
      ({ ExpirationInDays, Prefix }: { ExpirationInDays?: number; Prefix?: string }) => [Prefix, ExpirationInDays],
    );
    assert.deepEqual(days[0], ['runs/', 90]);
    assert.match(JSON.stringify(resourceOf(hubStack, 'AWS::S3::BucketPolicy')), /"aws:SecureTransport":"false"/);
  });

  test('each night, with an input that it takes; at another time; never', () => {
    const rule = resourceOf(hubStack, 'AWS::Events::Rule').Properties;
    assert.equal(rule.ScheduleExpression, 'cron(30 2 * * ? *)');
    const [target] = rule.Targets;
    assert.deepEqual(target.Arn, { Ref: resourceOf(hubStack, MACHINE).id });
    const input: unknown = JSON.parse(target.Input);
    assert.deepEqual(input, { mode: 'full', repair: true });
    assert.ok(parseReconcileRequest({ do: 'plan', run: 'nightly', input }));
    const start = ofRole(/EventsRole/);
    assert.deepEqual(start.flatMap(actionsOf), ['states:StartExecution']);
    assert.deepEqual(start[0]?.Resource, { Ref: resourceOf(hubStack, MACHINE).id });
    const other = resourceOf(
      optionsOf({ daily: { hour: 23, minute: 5 }, mode: 'stamps', repair: false }),
      'AWS::Events::Rule',
    ).Properties;
    assert.equal(other.ScheduleExpression, 'cron(5 23 * * ? *)');
    assert.deepEqual(JSON.parse(other.Targets[0].Input), { mode: 'stamps', repair: false });
    assert.deepEqual(resourcesOf(optionsOf({ daily: false }), 'AWS::Events::Rule'), {});
  });

  test('raises alarms: a run failed, none for a day, more differs than may, corrupt', () => {
    const alarmsOf = (template: Template) =>
      new Map(
        Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => [
          Properties.AlarmName.replace(`concord-${HUB}-`, ''),
          Properties,
        ]),
      );
    const alarms = alarmsOf(hubStack);
    const names = ['corrupt', 'inconsistency', 'reconcile-failed', 'reconcile-missing', 'reconcile-timed-out'];
    assert.deepEqual([...alarms.keys()].toSorted(), names);
    for (const { AlarmActions, OKActions, AlarmDescription } of alarms.values()) {
      assert.deepEqual([AlarmActions.length, OKActions.length], [1, 1]);
      assert.ok(AlarmDescription.length > 40);
    }
    for (const name of ['corrupt', 'inconsistency', 'reconcile-missing']) {
      const { Namespace, Dimensions } = alarms.get(name);
      assert.equal(Namespace, 'Concord');
      assert.deepEqual(
        Object.fromEntries(Dimensions.map(({ Name, Value }: { Name: string; Value: string }) => [Name, Value])),
        { service: 'reconcile', region: HUB },
      );
    }
    const { Threshold, ComparisonOperator } = alarms.get('inconsistency');
    assert.deepEqual([Threshold, ComparisonOperator], [0.01, 'GreaterThanThreshold']);
    assert.equal(alarmsOf(optionsOf({ inconsistencyAlarm: 0.2 })).get('inconsistency').Threshold, 0.2);
    const missing = alarms.get('reconcile-missing');
    assert.equal((missing.EvaluationPeriods * missing.Period) / 3600, 26);
    assert.equal(missing.TreatMissingData, 'breaching');
    assert.equal(missing.ComparisonOperator, 'LessThanThreshold');
    assert.ok(!alarmsOf(optionsOf({ daily: false })).has('reconcile-missing'));
  });
});

describe('reconciliation in every region', () => {
  const template = (region: string): Template => standard.of(`Concord-${region}-Reconcile`);
  const functionOf = (region: string, name: string) =>
    Object.values(resourcesOf(template(region), FUNCTION))
      .map(({ Properties }) => Properties)
      .find(({ FunctionName }) => FunctionName === `concord-${region}-${name}`);

  test('one function reads, as concord_operator past the proxy, in the network', () => {
    for (const region of [HUB, OTHER]) {
      const { Environment, VpcConfig } = functionOf(region, 'digest');
      const url = JSON.stringify(Environment.Variables.CONCORD_DATABASE_URL);
      assert.match(url, /"postgres:\/\/concord_operator@".*sslmode=verify-full/);
      assert.doesNotMatch(url, /Proxy/);
      assert.equal(VpcConfig.SubnetIds.length, 3);
      const reads = statementsOf(template(region), /Digest/).filter((one) =>
        actionsOf(one).includes('secretsmanager:GetSecretValue'),
      );
      assert.equal(reads.length, 1);
      assert.match(JSON.stringify(reads[0]?.Resource), /OperatorSecret/);
    }
  });

  test('one gives apply what is missing, and may do nothing else', () => {
    const { Environment, VpcConfig } = functionOf(OTHER, 'repair');
    assert.equal(VpcConfig, undefined);
    const apply = Environment.Variables.CONCORD_APPLY_FUNCTION;
    assert.match(JSON.stringify(apply), /Concord-eu-west-1-Apply:ExportsOutputFnGetAttApplyFunction/);
    const allowed = statementsOf(template(OTHER), /Repair/).filter(({ Effect }) => Effect === 'Allow');
    const invoke = allowed.filter((one) => actionsOf(one).includes('lambda:InvokeFunction'));
    assert.deepEqual(
      invoke.map(({ Resource }) => Resource),
      [apply],
    );
    assert.deepEqual(
      new Set(allowed.flatMap(actionsOf).map((action) => action.split(':')[0])),
      new Set(['logs', 'kms', 'lambda']),
    );
  });

  test('another account lets the hub in, and it only', () => {
    const regions = { [HUB]: { account: ACCOUNT }, [OTHER]: { account: ELSEWHERE } };
    const both = stacksOf({ regions });
    const permissions = Object.values(resourcesOf(both.of(`Concord-${OTHER}-Reconcile`), 'AWS::Lambda::Permission'));
    assert.equal(permissions.length, 2);
    for (const { Properties } of permissions) assert.match(JSON.stringify(Properties.Principal), new RegExp(ACCOUNT));
    assert.deepEqual(resourcesOf(both.of(`Concord-${HUB}-Reconcile`), 'AWS::Lambda::Permission'), {});
    const hub = both.of('Concord-hub-Reconcile');
    const { CONCORD_RECONCILE } = resourceOf(hub, FUNCTION).Properties.Environment.Variables;
    assert.match(JSON.stringify(CONCORD_RECONCILE), new RegExp(`${OTHER}[\\\\": ]+${ELSEWHERE}`));
    const [invoke] = statementsOf(hub, /Function/).filter((one) => actionsOf(one).includes('lambda:InvokeFunction'));
    assert.match(JSON.stringify(invoke), new RegExp(`:lambda:${OTHER}:${ELSEWHERE}:function:concord-${OTHER}-digest`));
    const open = stacksOf({ regions: { [OTHER]: { account: ELSEWHERE } } });
    const mayNot = /the hub is not allowed to compare and repair eu-west-1: give the account of us-east-1/;
    assert.match(open.warnings.join('\n'), mayNot);
    assert.doesNotMatch(both.warnings.join('\n'), mayNot);
  });
});

test('options that AWS would refuse, or that mean nothing, are refused with a hint', () => {
  const paths = (options: ReconcileOptions): string[] => [...reconcileProblems(options)].map(({ path }) => path);
  assert.deepEqual(paths({}), []);
  assert.deepEqual(paths({ daily: { hour: 0, minute: 59 }, concurrency: 1, waitMinutes: 120 }), []);
  assert.deepEqual(paths({ daily: { hour: 24, minute: 0 } }), ['reconcile.daily']);
  assert.deepEqual(paths({ concurrency: 0, waitMinutes: 121 }), ['reconcile.concurrency', 'reconcile.waitMinutes']);
  for (const share of [0, 1.5, Number.NaN])
    assert.deepEqual(paths({ inconsistencyAlarm: share }), ['reconcile.inconsistencyAlarm']);
});
