import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Topology } from '@concord/events';
import { Template } from 'aws-cdk-lib/assertions';
import { type AlertOptions, alertProblems } from '../../cdk/alerts/options.ts';
import { HubStage } from '../../cdk/hub-stage.ts';
import type { Deployment } from '../../cdk/read-deployment.ts';
import { RegionStage } from '../../cdk/region-stage.ts';
import { parseSettings } from '../../functions/alert/settings.ts';
import { deploymentWith, REGIONS } from '../support/region-templates.ts';
import { topologyOf } from '../support/regions.ts';
import { actionsOf, checked, resourceOf, resourcesOf, statementsOf, strictApp } from '../support/templates.ts';

const [HUB, OTHER] = ['us-east-1', 'eu-west-1'] as const;
const [ACCOUNT, ELSEWHERE] = ['111122223333', '444455556666'];
const FUNCTION = 'AWS::Lambda::Function';
const told = topologyOf({ names: REGIONS, tables: ['public.users', { name: 'public.orders', review: 'manual' }] });
const untold = topologyOf({ names: REGIONS, tables: ['public.users'] });
const kafka = { kind: 'existing', bootstrapServers: ['b1.example:9096'], readerSecret: 'reader' } as const;

/** All stacks of hub and one other region, by name, with what their constructs warn of. */
function stacksOf(topology: Topology, more: Partial<Deployment> = {}) {
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
    names: stacks.map(({ stackName }) => stackName),
    of: (name: string): Template => Template.fromJSON(stacks.find(({ stackName }) => stackName === name)?.template),
  };
}

const optionsOf = (alerts: AlertOptions) => stacksOf(told, { alerts }).of('Concord-hub-Alerts');
const standard = stacksOf(told);
const alerts = standard.of('Concord-hub-Alerts');
const REVIEW = (region: string): string => `Concord-${region}-Review`;

const functionsOf = (template: Template) =>
  Object.values(resourcesOf(template, FUNCTION)).map(({ Properties }) => Properties);

describe('alerts', () => {
  test('nothing of them is there where nobody is to be told', () => {
    const { names } = stacksOf(untold);
    assert.deepEqual(
      names.filter((name) => /Review|Alerts/.test(name)),
      [],
    );
  });

  test('every region has a way to its conflict log, and the hub one to what it keeps', () => {
    const names = (region: string) => functionsOf(standard.of(REVIEW(region))).map(({ FunctionName }) => FunctionName);
    assert.deepEqual(names(HUB), [`concord-${HUB}-conflicts`, `concord-${HUB}-outbox`]);
    assert.deepEqual(names(OTHER), [`concord-${OTHER}-conflicts`]);
  });

  test('these sign in as concord_operator past the proxy, in the network, and read its secret alone', () => {
    for (const region of [HUB, OTHER]) {
      const template = standard.of(REVIEW(region));
      for (const { Environment, VpcConfig } of functionsOf(template)) {
        const url = JSON.stringify(Environment.Variables.CONCORD_DATABASE_URL);
        assert.match(url, /"postgres:\/\/concord_operator@".*sslmode=verify-full/);
        assert.doesNotMatch(url, /Proxy/);
        assert.equal(VpcConfig.SubnetIds.length, 3);
      }
      const reads = statementsOf(template).filter((one) => actionsOf(one).includes('secretsmanager:GetSecretValue'));
      assert.equal(reads.length, functionsOf(template).length);
      for (const { Resource } of reads) assert.match(JSON.stringify(Resource), /OperatorSecret/);
    }
  });

  test('one function asks them, each minute, from outside of any network', () => {
    const { Properties, id } = resourceOf(alerts, FUNCTION);
    assert.equal(Properties.VpcConfig, undefined);
    assert.ok(Properties.Timeout >= 90, 'reading leaves 75 s to sending');
    const rule = resourceOf(alerts, 'AWS::Events::Rule').Properties;
    assert.equal(rule.ScheduleExpression, 'rate(1 minute)');
    assert.deepEqual(
      rule.Targets.map(({ Arn }: { Arn: unknown }) => Arn),
      [{ 'Fn::GetAtt': [id, 'Arn'] }],
    );
    assert.equal(standard.names.filter((name) => name.endsWith('Alerts')).length, 1);
  });

  test('it may invoke exactly these functions, publish to its topic, and use its key for it', () => {
    const allowed = statementsOf(alerts).filter(({ Effect }) => Effect === 'Allow');
    const [invoke, ...others] = allowed.filter((one) => actionsOf(one).includes('lambda:InvokeFunction'));
    assert.deepEqual(others, []);
    const names = [...JSON.stringify(invoke?.Resource).matchAll(/:lambda:([^:]+):.*?:function:([^"]+)"/g)].map(
      ([, region, name]) => [region, name],
    );
    const expected = REGIONS.map((region) => [region, `concord-${region}-conflicts`]);
    assert.deepEqual(names, [...expected, [HUB, `concord-${HUB}-outbox`]]);
    assert.doesNotMatch(JSON.stringify(invoke), /\*/);
    const publish = allowed.find((one) => actionsOf(one).includes('sns:Publish'));
    assert.deepEqual(publish?.Resource, { Ref: resourceOf(alerts, 'AWS::SNS::Topic').id });
    assert.deepEqual(
      new Set(allowed.flatMap(actionsOf).map((action) => action.split(':')[0])),
      new Set(['logs', 'kms', 'lambda', 'sns']),
    );
  });

  test('the topic is encrypted, and takes nothing without TLS', () => {
    const topic = resourceOf(alerts, 'AWS::SNS::Topic');
    assert.equal(topic.Properties.TopicName, 'concord-conflicts');
    assert.ok(topic.Properties.KmsMasterKeyId);
    assert.match(JSON.stringify(resourceOf(alerts, 'AWS::SNS::TopicPolicy')), /"aws:SecureTransport":"false"/);
    assert.deepEqual(resourcesOf(alerts, 'AWS::SNS::Subscription'), {});
    const { Properties } = resourceOf(optionsOf({ email: 'dba@example.com' }), 'AWS::SNS::Subscription');
    assert.deepEqual([Properties.Protocol, Properties.Endpoint], ['email', 'dba@example.com']);
  });

  test('a webhook and a topic of one’s own', () => {
    const arn = `arn:aws:sns:${HUB}:${ACCOUNT}:incidents`;
    const secretArn = `arn:aws:secretsmanager:${HUB}:${ACCOUNT}:secret:hook-a1B2c3`;
    const keys = {
      topic: 'arn:aws:kms:us-east-1:111122223333:key/t',
      hook: 'arn:aws:kms:us-east-1:111122223333:key/h',
    };
    const template = optionsOf({
      topic: { arn, keyArn: keys.topic },
      webhook: { url: 'https://hooks.example.com/concord', secretArn, keyArn: keys.hook },
    });
    assert.deepEqual(resourcesOf(template, 'AWS::SNS::Topic'), {});
    const settings = parseSettings(HUB, resourceOf(template, FUNCTION).Properties.Environment.Variables.CONCORD_ALERTS);
    assert.equal(settings.topicArn, arn);
    assert.deepEqual(settings.webhook, { url: 'https://hooks.example.com/concord', secretArn });
    assert.equal(settings.outbox, `concord-${HUB}-outbox`);
    const resources = (action: string) =>
      statementsOf(template).flatMap((one) => (actionsOf(one).includes(action) ? [one.Resource] : []));
    assert.deepEqual(resources('sns:Publish'), [arn]);
    assert.deepEqual(resources('secretsmanager:GetSecretValue'), [secretArn]);
    for (const key of Object.values(keys)) assert.ok(resources('kms:Decrypt').includes(key));
  });

  test('another account lets the hub in, and it only', () => {
    const deployment = deploymentWith({ kafka });
    const regions = { [HUB]: { account: ACCOUNT }, [OTHER]: { account: ELSEWHERE } };
    const both = stacksOf(told, { ...deployment, regions });
    const permissions = Object.values(resourcesOf(both.of(REVIEW(OTHER)), 'AWS::Lambda::Permission'));
    assert.equal(permissions.length, 1);
    const [{ Properties } = assert.fail()] = permissions;
    assert.match(JSON.stringify(Properties.Principal), new RegExp(ACCOUNT));
    assert.deepEqual(resourcesOf(both.of(REVIEW(HUB)), 'AWS::Lambda::Permission'), {});
    const template = both.of('Concord-hub-Alerts');
    const { CONCORD_ALERTS } = resourceOf(template, FUNCTION).Properties.Environment.Variables;
    const text = JSON.stringify(CONCORD_ALERTS);
    assert.match(text, new RegExp(`${OTHER}[\\\\": ]+${ELSEWHERE}`));
    const [invoke] = statementsOf(template).filter((one) => actionsOf(one).includes('lambda:InvokeFunction'));
    assert.match(
      JSON.stringify(invoke),
      new RegExp(`:lambda:${OTHER}:${ELSEWHERE}:function:concord-${OTHER}-conflicts`),
    );
    const open = stacksOf(told, { ...deployment, regions: { [OTHER]: { account: ELSEWHERE } } });
    assert.match(
      open.warnings.join('\n'),
      /the hub is not allowed to read the conflict log of eu-west-1: give the account/,
    );
    assert.doesNotMatch(both.warnings.join('\n'), /not allowed to read/);
  });

  test('raise alarms when they do not reach anybody', () => {
    const found = Object.values(resourcesOf(alerts, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
    assert.deepEqual(
      found.map(({ AlarmName }) => AlarmName).toSorted(),
      ['alert-errors', 'alerts-given-up', 'alerts-late', 'alerts-unread'].map((name) => `concord-${HUB}-${name}`),
    );
    for (const { AlarmActions, OKActions, AlarmDescription } of found) {
      assert.deepEqual([AlarmActions.length, OKActions.length], [1, 1]);
      assert.ok(AlarmDescription.length > 40);
    }
  });
});

test('options that would fail only once something is to be told are refused, with a hint', () => {
  const secretArn = `arn:aws:secretsmanager:${HUB}:${ACCOUNT}:secret:hook-a1B2c3`;
  const paths = (options: AlertOptions): string[] => [...alertProblems(options, HUB)].map(({ path }) => path);
  assert.deepEqual(paths({}), []);
  assert.deepEqual(paths({ webhook: { url: 'https://hooks.example.com', secretArn } }), []);
  assert.deepEqual(paths({ email: 'a@example.com' }), []);
  for (const url of ['http://hooks.example.com/', 'https://user:word@hooks.example.com/', 'hooks.example.com'])
    assert.deepEqual(paths({ webhook: { url, secretArn } }), ['alerts.webhook.url'], url);
  const other = `arn:aws:secretsmanager:${OTHER}:${ACCOUNT}:secret:hook-a1B2c3`;
  assert.deepEqual(paths({ webhook: { url: 'https://a.example', secretArn: other } }), ['alerts.webhook.secretArn']);
  const topic = { arn: `arn:aws:sns:${OTHER}:${ACCOUNT}:x` };
  assert.deepEqual(paths({ topic, email: 'a@example.com' }), ['alerts.topic.arn', 'alerts.email']);
});
