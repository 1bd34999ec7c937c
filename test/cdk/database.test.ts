import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import type { DatabaseOptions } from '../../cdk/database/database.ts';
import { type DatabaseStack, databaseStack, keyOf, region, secretOf } from '../support/database-stack.ts';
import {
  actionsOf,
  checked,
  type Resource,
  resourceOf,
  resourcesOf,
  type Statement,
  statementsOf,
} from '../support/templates.ts';

const EXISTING = { kind: 'existing', host: 'db.example', name: 'app', adminSecret: 'admin' } as const;
const AURORA = { kind: 'aurora' } as const;
const INSTANCE = { kind: 'instance' } as const;

// Synthesised once: each takes a second.
const existing = databaseStack(EXISTING);
const aurora = databaseStack({ ...AURORA, backups: { copyTo: 'us-east-1', lock: 'compliance' } }, true);
const instance = databaseStack({ ...INSTANCE, readReplica: true, proxy: { authentication: 'secret' } }, true);

const typesOf = (template: Template): string[] => [
  ...new Set(Object.values(template.toJSON().Resources as Record<string, Resource>).map(({ Type }) => Type)),
];
const account = { Ref: 'AWS::AccountId' };

test('existing: only the passwords of the two roles and their rotation are made', () => {
  assert.deepEqual(typesOf(existing.template).sort(), [
    'AWS::IAM::Policy',
    'AWS::IAM::Role',
    'AWS::KMS::Key',
    'AWS::Lambda::Function',
    'AWS::Lambda::LayerVersion',
    'AWS::Lambda::Permission',
    'AWS::Logs::LogGroup',
    'AWS::SecretsManager::RotationSchedule',
    'AWS::SecretsManager::Secret',
  ]);
  const { direct, pooled, databaseName, sslmode, iamResource, reader } = existing.database;
  assert.deepEqual(
    { direct, pooled },
    { direct: { host: 'db.example', port: 5432 }, pooled: { host: 'db.example', port: 5432 } },
  );
  assert.deepEqual([databaseName, sslmode, iamResource, reader], ['app', 'verify-full', undefined, undefined]);
});

test('existing: apply goes by the pooler, the rest past it, and our side lets both out', () => {
  const { database, network } = databaseStack({
    ...EXISTING,
    port: 6000,
    cidr: '172.16.0.0/16',
    proxy: { host: 'pooler.example', port: 6432 },
  });
  assert.deepEqual(database.pooled, { host: 'pooler.example', port: 6432 });
  assert.deepEqual(database.direct, { host: 'db.example', port: 6000 });
  const outOf = (name: string): string[] =>
    Object.entries(resourcesOf(network, 'AWS::EC2::SecurityGroup'))
      .filter(([id]) => id.includes(name))
      .flatMap(([, { Properties }]) => Properties.SecurityGroupEgress)
      .filter(({ IpProtocol }) => IpProtocol !== '-1')
      .map(({ CidrIp, FromPort }) => `${CidrIp}:${FromPort}`);
  assert.deepEqual(outOf('FunctionsGroup'), ['172.16.0.0/16:6000', '172.16.0.0/16:6432']);
  assert.deepEqual(outOf('ConnectGroup'), ['172.16.0.0/16:6000']);
});

test('existing: the admin secret by name or by ARN, with or without its last six characters', () => {
  const admin = (adminSecret: string): string =>
    databaseStack({ ...EXISTING, adminSecret }).database.secrets.admin.secretArn;
  const prefix = `arn:aws:secretsmanager:${region}:111122223333:secret:`;
  assert.equal(admin(`${prefix}admin-a1B2c3`), `${prefix}admin-a1B2c3`);
  assert.equal(admin(`${prefix}admin`), `${prefix}admin`);
  assert.match(admin('concord/admin'), /:secret:concord\/admin$/);
});

test('passwords of the roles: generated, encrypted, kept; nothing in the template that could ever change', () => {
  for (const { template } of [existing, aurora, instance])
    for (const [name, username] of [
      ['Apply', 'concord_apply'],
      ['Capture', 'concord_capture'],
      ['Operator', 'concord_operator'],
    ] as const) {
      const { Properties, DeletionPolicy, UpdateReplacePolicy } = secretOf(template, name);
      // A failed first deployment takes them along, nothing else does.
      assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], ['RetainExceptOnCreate', 'Retain']);
      assert.deepEqual(Properties.KmsKeyId, keyOf(template));
      const { SecretStringTemplate, ...generated } = Properties.GenerateSecretString;
      assert.deepEqual(JSON.parse(SecretStringTemplate), { engine: 'postgres', username });
      assert.deepEqual(generated, { ExcludePunctuation: true, GenerateStringKey: 'password', PasswordLength: 43 });
    }
});

test('the key of the data turns over, outlives the stack, and serves the logs of this account alone', () => {
  for (const { template } of [existing, aurora, instance])
    for (const key of Object.values(resourcesOf(template, 'AWS::KMS::Key'))) {
      assert.equal(key.Properties.EnableKeyRotation, true);
      assert.deepEqual([key.DeletionPolicy, key.UpdateReplacePolicy], ['RetainExceptOnCreate', 'Retain']);
      for (const { Principal, Condition } of key.Properties.KeyPolicy.Statement as Statement[])
        assert.ok(JSON.stringify(Principal).includes(':root') || Condition !== undefined);
    }
});

test('rotation: every 30 days, not before enrolling, called by Secrets Manager for these secrets of this account only', () => {
  const { template } = existing;
  const rotate = resourceOf(template, 'AWS::Lambda::Function');
  const schedules = Object.values(resourcesOf(template, 'AWS::SecretsManager::RotationSchedule'));
  const permissions = Object.values(resourcesOf(template, 'AWS::Lambda::Permission'));
  for (const [index, name] of (['Apply', 'Capture', 'Operator'] as const).entries()) {
    const secret = { Ref: secretOf(template, name).id };
    assert.deepEqual(schedules[index]?.Properties, {
      RotateImmediatelyOnUpdate: false,
      RotationLambdaARN: { 'Fn::GetAtt': [rotate.id, 'Arn'] },
      RotationRules: { AutomaticallyAfterDays: 30 },
      SecretId: secret,
    });
    assert.deepEqual(permissions[index]?.Properties, {
      Action: 'lambda:InvokeFunction',
      FunctionName: { 'Fn::GetAtt': [rotate.id, 'Arn'] },
      Principal: 'secretsmanager.amazonaws.com',
      SourceAccount: account,
      SourceArn: secret,
    });
  }
  assert.deepEqual([schedules.length, permissions.length], [3, 3]);
  const often = databaseStack({ ...EXISTING, rotationDays: 7 }).template;
  for (const { Properties } of Object.values(resourcesOf(often, 'AWS::SecretsManager::RotationSchedule')))
    assert.deepEqual(Properties.RotationRules, { AutomaticallyAfterDays: 7 });
});

test('rotate may do with these three secrets what a rotation does, and nothing with any other', () => {
  for (const { template } of [existing, aurora]) {
    const [secrets, key, ...others] = Object.values(resourcesOf(template, 'AWS::IAM::Policy')).flatMap(
      ({ Properties }) => Properties.PolicyDocument.Statement,
    );
    assert.deepEqual(others, []);
    assert.deepEqual(secrets, {
      Effect: 'Allow',
      Action: [
        'secretsmanager:DescribeSecret',
        'secretsmanager:GetSecretValue',
        'secretsmanager:PutSecretValue',
        'secretsmanager:UpdateSecretVersionStage',
      ],
      Resource: (['Apply', 'Capture', 'Operator'] as const).map((name) => ({ Ref: secretOf(template, name).id })),
    });
    assert.deepEqual(key, {
      Effect: 'Allow',
      Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
      Resource: keyOf(template),
      Condition: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` } },
    });
  }
});

test('rotate gets an address without user and password, past the proxy', () => {
  const urlIn = ({ template }: DatabaseStack): unknown =>
    resourceOf(template, 'AWS::Lambda::Function').Properties.Environment.Variables.CONCORD_DATABASE_URL;
  assert.equal(urlIn(existing), 'postgres://db.example:5432/app?sslmode=verify-full');
  const [cluster] = Object.keys(resourcesOf(aurora.template, 'AWS::RDS::DBCluster'));
  assert.deepEqual(urlIn(aurora), {
    'Fn::Join': ['', ['postgres://', { 'Fn::GetAtt': [cluster, 'Endpoint.Address'] }, ':5432/app?sslmode=verify-full']],
  });
});

test('alarms where a topic is given, all of which tell it; none without', () => {
  const alarmsOf = (template: Template) =>
    Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
  const namesOf = (template: Template): string[] =>
    alarmsOf(template)
      .map(({ AlarmName }) => AlarmName.replace(`concord-${region}-`, ''))
      .sort();
  const common = ['database-connections', 'database-cpu', 'proxy-pinned', 'rotation', 'slot-lag', 'wal-size'];
  assert.deepEqual(namesOf(aurora.template), common);
  assert.deepEqual(namesOf(instance.template), [...common, 'database-storage'].sort());
  for (const { AlarmActions, OKActions, AlarmDescription } of alarmsOf(aurora.template)) {
    assert.equal(AlarmActions.length, 1);
    assert.deepEqual(AlarmActions, OKActions);
    assert.ok(AlarmDescription.includes(region));
  }
  assert.deepEqual(namesOf(existing.template), []);
});

test('cdk-nag and the schema of CloudFormation find nothing, whatever the options, and no lookup is needed', () => {
  const others: DatabaseOptions[] = [
    { ...AURORA, removal: 'destroy', proxy: false, insights: 'advanced', storage: 'io-optimized' },
    {
      ...AURORA,
      capacity: { kind: 'serverless', minUnits: 1, maxUnits: 8 },
      readers: 2,
      backups: { lock: 'governance' },
    },
    { ...INSTANCE, removal: 'snapshot', readReplica: true, backups: { copyTo: 'us-east-1' } },
    { ...INSTANCE, removal: 'destroy', multiAz: false, readReplica: true },
  ];
  const stacks = [existing, aurora, instance, ...others.map((options) => databaseStack(options))];
  for (const { app } of stacks) assert.deepEqual(checked(app), []);
});

test('nothing that is granted is everything', () => {
  for (const { template } of [existing, aurora, instance])
    for (const statement of statementsOf(template, /^(?!.*Rotation)/))
      for (const action of actionsOf(statement)) assert.doesNotMatch(action, /\*/);
});
