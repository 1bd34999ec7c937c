import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import type { ConcordStack } from '../../cdk/concord-stack.ts';
import { quietHours } from '../../cdk/database/quiet-hours.ts';
import { type DatabaseStack, databaseStack, keyOf, region, secretOf } from '../support/database-stack.ts';
import { type Resource, resourceOf, resourcesOf, statementsOf } from '../support/templates.ts';

const AURORA = { kind: 'aurora' } as const;
const INSTANCE = { kind: 'instance' } as const;

// Synthesised once: each takes a second.
const aurora = databaseStack({ ...AURORA, backups: { copyTo: 'us-east-1', lock: 'compliance' } }, true);
const instance = databaseStack({ ...INSTANCE, readReplica: true, proxy: { authentication: 'secret' } }, true);

const serverOf = (template: Template): Resource =>
  Object.values({
    ...resourcesOf(template, 'AWS::RDS::DBCluster'),
    ...resourcesOf(template, 'AWS::RDS::DBInstance'),
  }).find(({ Properties }) => Properties.ManageMasterUserPassword)!;
const account = { Ref: 'AWS::AccountId' };
const partition = { Ref: 'AWS::Partition' };
const arn = (...parts: unknown[]): object => ({ 'Fn::Join': ['', ['arn:', partition, ...parts]] });

test('a server: encrypted, kept, watched; its password is made by RDS', () => {
  for (const { template } of [aurora, instance]) {
    const { Properties, DeletionPolicy, UpdateReplacePolicy } = serverOf(template);
    const key = keyOf(template);
    assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], ['Retain', 'Retain']);
    assert.equal(Properties.DeletionProtection, true);
    assert.equal(Properties.DeleteAutomatedBackups, false);
    assert.deepEqual([Properties.StorageEncrypted, Properties.KmsKeyId], [true, key]);
    assert.deepEqual(Properties.MasterUserSecret, { KmsKeyId: key });
    assert.equal(Properties.MasterUserPassword, undefined);
    assert.equal(Properties.EnableIAMDatabaseAuthentication, true);
    assert.equal(Properties.BackupRetentionPeriod, 35);
    assert.equal(Properties.CopyTagsToSnapshot, true);
    assert.equal(Properties.AutoMinorVersionUpgrade, true);
    assert.ok(Properties.PerformanceInsightsEnabled ?? Properties.EnablePerformanceInsights);
    assert.deepEqual(Properties.PerformanceInsightsKmsKeyId ?? Properties.PerformanceInsightsKMSKeyId, key);
    assert.ok(Properties.EnableCloudwatchLogsExports.includes('postgresql'));
    for (const type of ['DBSubnetGroup', 'DBClusterParameterGroup', 'DBParameterGroup', 'DBInstance'])
      for (const other of Object.values(resourcesOf(template, `AWS::RDS::${type}`)))
        assert.equal(other.DeletionPolicy, 'Retain', type);
    for (const { Properties: one } of Object.values(resourcesOf(template, 'AWS::RDS::DBInstance'))) {
      assert.equal(one.MonitoringInterval, 60);
      assert.equal(one.PubliclyAccessible, false);
    }
  }
});

test("a server's parameters are what preflight asks for, and no row gets into a log", () => {
  const of = ({ template }: DatabaseStack, type: string) => resourceOf(template, type).Properties;
  const cluster = of(aurora, 'AWS::RDS::DBClusterParameterGroup');
  const single = of(instance, 'AWS::RDS::DBParameterGroup');
  assert.deepEqual([cluster.Family, single.Family], ['aurora-postgresql17', 'postgres17']);
  for (const { Parameters } of [cluster, single]) {
    const { max_slot_wal_keep_size, ...rest } = Parameters;
    assert.deepEqual(rest, {
      'rds.logical_replication': '1',
      'rds.force_ssl': '1',
      max_replication_slots: '20',
      max_wal_senders: '20',
      wal_sender_timeout: '60000',
      log_min_duration_statement: '1000',
      log_parameter_max_length: '0',
      log_lock_waits: '1',
    });
  }
  assert.equal(cluster.Parameters.max_slot_wal_keep_size, '-1');
  assert.equal(single.Parameters.max_slot_wal_keep_size, String(50 * 1024));
});

test('aurora: a writer and a reader in zones of their own, capacity as wanted', () => {
  const instancesOf = (template: Template) =>
    Object.values(resourcesOf(template, 'AWS::RDS::DBInstance')).map(({ Properties }) => Properties);
  const [writer, reader, ...others] = instancesOf(aurora.template);
  assert.deepEqual(others, []);
  assert.notDeepEqual(writer.AvailabilityZone, reader.AvailabilityZone);
  assert.equal(writer.DBInstanceClass, 'db.r7g.large');
  assert.ok(aurora.database.reader);
  const serverless = databaseStack({
    ...AURORA,
    readers: 0,
    capacity: { kind: 'serverless', minUnits: 1, maxUnits: 8 },
  });
  assert.deepEqual(serverOf(serverless.template).Properties.ServerlessV2ScalingConfiguration, {
    MinCapacity: 1,
    MaxCapacity: 8,
  });
  assert.deepEqual(
    instancesOf(serverless.template).map(({ DBInstanceClass }) => DBInstanceClass),
    ['db.serverless'],
  );
  assert.equal(serverless.database.reader, undefined);
});

test('instance: a standby in another zone, a reader if wanted, storage that grows', () => {
  const { Properties } = serverOf(instance.template);
  assert.equal(Properties.MultiAZ, true);
  assert.deepEqual(
    [Properties.StorageType, Properties.AllocatedStorage, Properties.MaxAllocatedStorage],
    ['gp3', '100', 1000],
  );
  assert.ok(instance.database.reader);
  const plain = databaseStack(INSTANCE);
  assert.equal(Object.keys(resourcesOf(plain.template, 'AWS::RDS::DBInstance')).length, 1);
  assert.equal(plain.database.reader, undefined);
});

test('logs of the database are there before it, encrypted and for a while', () => {
  for (const { template } of [aurora, instance]) {
    const groups = Object.entries(resourcesOf(template, 'AWS::Logs::LogGroup')).filter(
      ([, { Properties }]) => Properties.LogGroupName !== undefined,
    );
    for (const [, { Properties }] of groups) {
      assert.deepEqual(Properties.KmsKeyId, keyOf(template));
      assert.equal(Properties.RetentionInDays, 90);
    }
    const waitsFor = Object.values(template.toJSON().Resources as Record<string, Resource>).flatMap(
      ({ Type, DependsOn }) => (/^AWS::RDS::(DBCluster|DBInstance|DBProxy)$/.test(Type) ? (DependsOn ?? []) : []),
    );
    for (const [id] of groups) assert.ok(waitsFor.includes(id), id);
  }
  const names = (template: Template) =>
    Object.values(resourcesOf(template, 'AWS::Logs::LogGroup'))
      .flatMap(({ Properties }) => Properties.LogGroupName ?? [])
      .sort();
  assert.deepEqual(names(aurora.template), [
    '/aws/rds/cluster/concord-eu-west-1/postgresql',
    '/aws/rds/proxy/concord-eu-west-1',
  ]);
  assert.equal(names(instance.template).length, 5);
});

test('the proxy: TLS only, tokens by default, no filter that hides a pinned session', () => {
  const proxyOf = ({ template }: DatabaseStack) => resourceOf(template, 'AWS::RDS::DBProxy').Properties;
  for (const each of [aurora, instance]) {
    assert.equal(proxyOf(each).RequireTLS, true);
    assert.equal(proxyOf(each).DebugLogging, false);
    const { ConnectionPoolConfigurationInfo } = resourceOf(each.template, 'AWS::RDS::DBProxyTargetGroup').Properties;
    assert.equal(ConnectionPoolConfigurationInfo.SessionPinningFilters, undefined);
    assert.equal(ConnectionPoolConfigurationInfo.MaxConnectionsPercent, 30);
  }
  const SecretArn = (template: Template) => ({ Ref: secretOf(template, 'Apply').id });
  assert.deepEqual(proxyOf(aurora).Auth, [
    { AuthScheme: 'SECRETS', IAMAuth: 'REQUIRED', SecretArn: SecretArn(aurora.template) },
  ]);
  assert.deepEqual(proxyOf(instance).Auth, [
    {
      AuthScheme: 'SECRETS',
      ClientPasswordAuthType: 'POSTGRES_SCRAM_SHA_256',
      IAMAuth: 'DISABLED',
      SecretArn: SecretArn(instance.template),
    },
  ]);
});

test('apply is told of tokens where there are any, and for one role of one proxy', () => {
  const [proxy] = Object.keys(resourcesOf(aurora.template, 'AWS::RDS::DBProxy'));
  const id = { 'Fn::Select': [6, { 'Fn::Split': [':', { 'Fn::GetAtt': [proxy, 'DBProxyArn'] }] }] };
  const stack = aurora.app.node.findChild('Database') as ConcordStack;
  assert.deepEqual(
    stack.resolve(aurora.database.iamResource),
    arn(`:rds-db:${region}:`, account, ':dbuser:', id, '/concord_apply'),
  );
  assert.equal(instance.database.iamResource, undefined);
  const without = databaseStack({ ...AURORA, proxy: false });
  assert.equal(without.database.iamResource, undefined);
  assert.deepEqual(without.database.pooled, without.database.direct);
  assert.deepEqual(resourcesOf(without.template, 'AWS::RDS::DBProxy'), {});
});

test('the proxy reads one secret, with its key, by way of Secrets Manager', () => {
  assert.deepEqual(statementsOf(aurora.template, /ProxyRole/), [
    {
      Effect: 'Allow',
      Action: 'secretsmanager:GetSecretValue',
      Resource: { Ref: secretOf(aurora.template, 'Apply').id },
    },
    {
      Effect: 'Allow',
      Action: 'kms:Decrypt',
      Resource: keyOf(aurora.template),
      Condition: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` } },
    },
  ]);
});

test('backups: daily, in a vault of its own that outlives the stack, with copies in another region', () => {
  const { template } = aurora;
  const vault = resourceOf(template, 'AWS::Backup::BackupVault');
  assert.deepEqual([vault.DeletionPolicy, vault.UpdateReplacePolicy], ['RetainExceptOnCreate', 'Retain']);
  assert.deepEqual(vault.Properties.LockConfiguration, { MinRetentionDays: 35, ChangeableForDays: 3 });
  assert.ok(vault.Properties.EncryptionKeyArn);
  const [denied] = vault.Properties.AccessPolicy.Statement;
  assert.deepEqual([denied.Effect, denied.Action[0]], ['Deny', 'backup:DeleteRecoveryPoint']);
  const [rule, ...others] = resourceOf(template, 'AWS::Backup::BackupPlan').Properties.BackupPlan.BackupPlanRule;
  assert.deepEqual(others, []);
  assert.equal(rule.ScheduleExpression, 'cron(30 3 * * ? *)');
  assert.deepEqual(rule.Lifecycle, { DeleteAfterDays: 35 });
  assert.deepEqual(rule.CopyActions, [
    {
      DestinationBackupVaultArn: arn(':backup:us-east-1:', account, ':backup-vault:concord-us-east-1'),
      Lifecycle: { DeleteAfterDays: 35 },
    },
  ]);
  const { Resources } = resourceOf(template, 'AWS::Backup::BackupSelection').Properties.BackupSelection;
  const [cluster] = Object.keys(resourcesOf(template, 'AWS::RDS::DBCluster'));
  assert.deepEqual(Resources, [{ 'Fn::GetAtt': [cluster, 'DBClusterArn'] }]);
  const local = resourceOf(instance.template, 'AWS::Backup::BackupPlan').Properties.BackupPlan.BackupPlanRule[0];
  assert.equal(local.CopyActions, undefined);
});

test('backups: the role touches this database, snapshots of AWS Backup, and its own vaults', () => {
  for (const { template } of [aurora, instance]) {
    const statements = statementsOf(template, /BackupsRole/);
    for (const { Action, Resource } of statements) {
      const resources = [Resource].flat();
      const actions = [Action].flat();
      assert.ok(!actions.some((action) => action.includes('*')));
      for (const resource of resources.map((each) => JSON.stringify(each)))
        assert.ok(
          actions.join() === 'tag:GetResources' ||
            /DBClusterArn|:db:|awsbackup:\*|backup-vault:concord-|Key|:key\/\*/.test(resource),
          `${actions}: ${resource}`,
        );
      // What deletes or changes has no other database's snapshots before it.
      if (actions.some((action) => /Delete|Modify|Copy.*Snapshot/.test(action)))
        for (const resource of resources) assert.match(JSON.stringify(resource), /awsbackup:\*/);
    }
    const grants = statements.filter(({ Action }) => [Action].flat().includes('kms:CreateGrant'));
    for (const { Condition } of grants) assert.match(JSON.stringify(Condition), /"kms:GrantIsForAWSResource":"true"/);
  }
  const abroad = statementsOf(aurora.template, /BackupsRole/).filter(({ Resource }) =>
    JSON.stringify(Resource).includes(':key/*'),
  );
  assert.equal(abroad.length, 2);
  for (const { Condition } of abroad)
    assert.match(JSON.stringify(Condition), /"kms:ResourceAliases":"alias\/concord\/backups\/us-east-1"/);
});

test('backups copied to no region, or to their own, are refused with a hint', () => {
  for (const copyTo of ['mars-north-1', region])
    assert.throws(
      () => databaseStack({ ...AURORA, backups: { copyTo } }),
      /hint: another region of the topology: us-east-1/,
    );
});

test('windows do not meet, at night where the region is', () => {
  assert.deepEqual(quietHours('eu-west-1'), {
    backup: '01:00-01:30',
    maintenance: 'sun:02:00-sun:02:30',
    plan: { hour: 3, minute: 30 },
  });
  assert.equal(quietHours('ap-south-1').backup, '20:00-20:30');
  assert.equal(quietHours('eu-west-1', 12).maintenance, 'sun:13:00-sun:13:30');
  assert.throws(() => quietHours('eu-west-1', 21), /hint: a whole hour from 0 to 20/);
});

test('a trial leaves nothing behind, a snapshot is what it says', () => {
  const trial = databaseStack({ ...AURORA, removal: 'destroy' }).template;
  for (const [id, { Type, DeletionPolicy, Properties }] of Object.entries(
    trial.toJSON().Resources as Record<string, Resource>,
  )) {
    assert.ok([undefined, 'Delete'].includes(DeletionPolicy), `${id} ${Type}`);
    if (Type === 'AWS::RDS::DBCluster') assert.equal(Properties.DeletionProtection, false);
  }
  const kept = databaseStack({ ...INSTANCE, removal: 'snapshot', readReplica: true }).template;
  const [replica] = Object.values(resourcesOf(kept, 'AWS::RDS::DBInstance')).filter(
    ({ Properties }) => Properties.SourceDBInstanceIdentifier,
  );
  assert.equal(replica?.DeletionPolicy, 'Delete');
  assert.equal(serverOf(kept).DeletionPolicy, 'Snapshot');
  for (const key of Object.values(resourcesOf(kept, 'AWS::KMS::Key')))
    assert.match(key.DeletionPolicy ?? '', /^Retain/);
});

test('a version without row filters is refused with a hint', () => {
  assert.throws(() => databaseStack({ ...AURORA, version: '14.9' }), /hint: PostgreSQL 15 or later/);
  assert.throws(() => databaseStack({ ...INSTANCE, version: 'newest' }), /hint: PostgreSQL 15 or later/);
});
