import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { groupOf } from '@concord/events';
import type { Template } from 'aws-cdk-lib/assertions';
import { REGIONS, stacksOf } from '../support/region-templates.ts';
import { actionsOf, resourceOf, resourcesOf, statementsOf } from '../support/templates.ts';

const REGION = 'eu-west-1';
const OTHERS = REGIONS.filter((name) => name !== REGION);
const MAPPING = 'AWS::Lambda::EventSourceMapping';
const standard = stacksOf(REGION).Apply as Template;
const withDestination = stacksOf(REGION, { apply: { failedBatches: true } }).Apply as Template;

const mappingsOf = (template: Template) =>
  Object.values(resourcesOf(template, MAPPING)).map(({ Properties }) => Properties);
const applyFunction = (template: Template) =>
  Object.values(resourcesOf(template, 'AWS::Lambda::Function')).find(({ Properties }) =>
    Properties.Description.startsWith('Applies'),
  );

describe('the event source mappings', () => {
  test('are one per remote topic, and none for the own one', () => {
    assert.deepEqual(
      mappingsOf(standard)
        .flatMap(({ Topics }) => Topics)
        .toSorted(),
      OTHERS.map((name) => `cdc.${name}`).toSorted(),
    );
  });

  test('read from the start, in groups that outlive them', () => {
    for (const mapping of mappingsOf(standard)) {
      assert.equal(mapping.StartingPosition, 'TRIM_HORIZON');
      const from = mapping.Topics[0].replace('cdc.', '');
      assert.deepEqual(mapping.AmazonManagedKafkaEventSourceConfig, { ConsumerGroupId: groupOf(from, REGION) });
    }
  });

  test('retry for ever, in order, and halve what fails', () => {
    for (const mapping of mappingsOf(standard)) {
      assert.equal(mapping.MaximumRetryAttempts, -1);
      assert.equal(mapping.MaximumRecordAgeInSeconds, -1);
      assert.equal(mapping.BisectBatchOnFunctionError, true);
      assert.deepEqual(mapping.FunctionResponseTypes, ['ReportBatchItemFailures']);
      assert.equal(mapping.DestinationConfig, undefined, 'a destination would limit the retries to ten');
    }
  });

  test('are provisioned, which the retry options need, and deliver at once', () => {
    for (const mapping of mappingsOf(standard)) {
      const { MinimumPollers, MaximumPollers, PollerGroupName } = mapping.ProvisionedPollerConfig;
      assert.ok(MinimumPollers >= 1 && MaximumPollers >= MinimumPollers);
      assert.equal(PollerGroupName, `concord-${REGION}`);
      assert.equal(mapping.MaximumBatchingWindowInSeconds, 0);
      assert.equal(mapping.BatchSize, 10_000);
    }
  });

  test('may read exactly the other regions’ topics, in their own groups', () => {
    const statements = statementsOf(standard).filter((statement) =>
      actionsOf(statement).some((action) => action === 'kafka-cluster:ReadData'),
    );
    const resources = JSON.stringify(statements.map(({ Resource }) => Resource));
    for (const name of OTHERS) assert.match(resources, new RegExp(`/cdc\\.${name}"`));
    assert.doesNotMatch(resources, new RegExp(`/cdc\\.${REGION}"`));
    assert.doesNotMatch(resources, /\*/);
    const writes = statementsOf(standard)
      .flatMap(actionsOf)
      .filter((action) => /kafka-cluster:(?:Write|Alter(?!Group)|Create|Delete)/.test(action));
    assert.deepEqual(writes, []);
  });

  test('of brokers that are there already sign in with SCRAM', () => {
    const kafka = {
      kind: 'existing',
      bootstrapServers: ['b1.example:9096'],
      readerSecret: 'reader',
      caSecret: 'ca',
    } as const;
    const template = stacksOf(REGION, { kafka }).Apply as Template;
    for (const mapping of mappingsOf(template)) {
      assert.deepEqual(mapping.SelfManagedEventSource.Endpoints.KafkaBootstrapServers, ['b1.example:9096']);
      const types = mapping.SourceAccessConfigurations.map(({ Type }: { Type: string }) => Type);
      assert.ok(types.includes('SASL_SCRAM_512_AUTH') && types.includes('SERVER_ROOT_CA_CERTIFICATE'));
      assert.ok(types.includes('VPC_SUBNET') && types.includes('VPC_SECURITY_GROUP'));
      assert.equal(mapping.AmazonManagedKafkaEventSourceConfig, undefined);
      assert.match(mapping.SelfManagedKafkaEventSourceConfig.ConsumerGroupId, /^concord\.eu-west-1\./);
    }
  });
});

describe('the function', () => {
  test('runs in the network, with the three layers, and within Lambda’s limit for Kafka', () => {
    const properties = applyFunction(standard)?.Properties;
    assert.equal(properties.Runtime, 'nodejs24.x');
    assert.deepEqual(properties.Architectures, ['arm64']);
    assert.equal(properties.Layers.length, 3);
    assert.equal(properties.VpcConfig.SubnetIds.length, 3);
    assert.ok(properties.Timeout <= 14 * 60);
  });

  test('signs in to the proxy with IAM, as concord_apply only, and knows no password', () => {
    const { Environment } = applyFunction(standard)?.Properties ?? assert.fail();
    assert.equal(Environment.Variables.CONCORD_DATABASE_IAM, 'true');
    assert.equal(Environment.Variables.CONCORD_DATABASE_SECRET, undefined);
    const connects = statementsOf(standard).filter((statement) => actionsOf(statement).includes('rds-db:connect'));
    assert.equal(connects.length, 1);
    assert.match(JSON.stringify(connects[0]?.Resource), /\/concord_apply"/);
    assert.deepEqual(
      statementsOf(standard)
        .flatMap(actionsOf)
        .filter((action) => action.startsWith('secretsmanager:')),
      [],
    );
  });

  test('without IAM reads its own secret, and no other', () => {
    const database = { kind: 'aurora', proxy: { authentication: 'secret' } } as const;
    const template = stacksOf(REGION, { database }).Apply as Template;
    const reads = statementsOf(template).filter((statement) =>
      actionsOf(statement).includes('secretsmanager:GetSecretValue'),
    );
    assert.equal(reads.length, 1);
    assert.match(JSON.stringify(reads[0]?.Resource), /ApplySecret/);
    assert.match(JSON.stringify(applyFunction(template)?.Properties.Environment), /CONCORD_DATABASE_SECRET/);
  });

  test('raises alarms that say what to do', () => {
    const alarms = Object.values(resourcesOf(standard, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
    for (const name of ['apply-errors', 'apply-throttles', 'apply-duration', 'parked'])
      assert.ok(
        alarms.some(({ AlarmName }) => AlarmName === `concord-${REGION}-${name}`),
        name,
      );
    for (const alarm of alarms) {
      assert.ok(alarm.AlarmDescription.length > 40, alarm.AlarmName);
      assert.equal(alarm.AlarmActions.length, 1);
      assert.equal(alarm.OKActions.length, 1);
    }
  });
});

describe('with a destination for failed batches', () => {
  test('every mapping writes there, and may', () => {
    const { id } = resourceOf(withDestination, 'AWS::S3::Bucket');
    for (const { DestinationConfig } of mappingsOf(withDestination))
      assert.deepEqual(DestinationConfig, { OnFailure: { Destination: { 'Fn::GetAtt': [id, 'Arn'] } } });
    const puts = statementsOf(withDestination).filter((statement) => actionsOf(statement).includes('s3:PutObject'));
    assert.equal(puts.length, 1);
    assert.match(JSON.stringify(puts[0]?.Resource), /aws\/lambda\/\*/);
  });

  test('the bucket is private, encrypted with a key of our own, and kept', () => {
    const { Properties, DeletionPolicy, UpdateReplacePolicy } = resourceOf(withDestination, 'AWS::S3::Bucket');
    assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], ['Retain', 'Retain']);
    assert.ok(Object.values(Properties.PublicAccessBlockConfiguration).every((blocked) => blocked === true));
    const [rule] = Properties.BucketEncryption.ServerSideEncryptionConfiguration;
    assert.equal(rule.ServerSideEncryptionByDefault.SSEAlgorithm, 'aws:kms');
    const policy = JSON.stringify(resourceOf(withDestination, 'AWS::S3::BucketPolicy').Properties);
    assert.match(policy, /"aws:SecureTransport":"false"/);
  });

  test('the drain runs every few minutes, deletes what went in, and may invoke apply alone', () => {
    const { Properties } = resourceOf(withDestination, 'AWS::Events::Rule');
    assert.equal(Properties.ScheduleExpression, 'rate(5 minutes)');
    const drain = statementsOf(withDestination, /Drain/);
    const invokes = drain.filter((statement) => actionsOf(statement).includes('lambda:InvokeFunction'));
    assert.equal(invokes.length, 1);
    assert.deepEqual(invokes[0]?.Resource, {
      'Fn::GetAtt': [
        Object.entries(resourcesOf(withDestination, 'AWS::Lambda::Function')).find(([, { Properties }]) =>
          Properties.Description.startsWith('Applies'),
        )?.[0],
        'Arn',
      ],
    });
    assert.ok(
      !drain.flatMap(actionsOf).some((action) => action.startsWith('rds') || action.startsWith('secretsmanager')),
    );
  });
});
