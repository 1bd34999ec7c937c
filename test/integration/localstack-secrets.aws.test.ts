import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { localStackOrSkip, useLocalStack } from '../support/localstack.ts';
import { createFunction } from '../support/localstack-functions.ts';

const localStack = useLocalStack();

/** Rotates by the four steps and leaves in the secret which of them it was asked for. */
const ROTATE = `
const sdk = require('@aws-sdk/client-secrets-manager');
const client = new sdk.SecretsManagerClient();
const steps = [];
exports.handler = async ({ Step, SecretId, ClientRequestToken }) => {
  steps.push(Step);
  if (Step === 'createSecret')
    await client.send(new sdk.PutSecretValueCommand({
      SecretId, ClientRequestToken, VersionStages: ['AWSPENDING'], SecretString: JSON.stringify({ password: 'new' }),
    }));
  if (Step === 'testSecret' && process.env.REFUSE) throw new Error('the new password does not let in');
  if (Step === 'finishSecret') {
    const { VersionIdsToStages } = await client.send(new sdk.DescribeSecretCommand({ SecretId }));
    const [current] = Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes('AWSCURRENT'));
    await client.send(new sdk.UpdateSecretVersionStageCommand({
      SecretId, VersionStage: 'AWSCURRENT', MoveToVersionId: ClientRequestToken, RemoveFromVersionId: current,
    }));
    await client.send(new sdk.PutSecretValueCommand({
      SecretId: SecretId + '-steps', SecretString: JSON.stringify(steps),
    }));
  }
};`;

describe('secrets on LocalStack', { skip: localStackOrSkip() }, () => {
  let secrets: SecretsManagerClient;
  let lambda: LambdaClient;
  before(async () => {
    const config = (await localStack()).clientConfig('eu-central-1');
    secrets = new SecretsManagerClient(config);
    lambda = new LambdaClient(config);
  });
  const secretValue = async (SecretId: string, VersionStage = 'AWSCURRENT'): Promise<unknown> =>
    JSON.parse((await secrets.send(new GetSecretValueCommand({ SecretId, VersionStage }))).SecretString!);
  const create = (Name: string, value: unknown) =>
    secrets.send(new CreateSecretCommand({ Name, SecretString: JSON.stringify(value) }));
  const rotate = (SecretId: string, RotationLambdaARN: string) =>
    secrets.send(
      new RotateSecretCommand({ SecretId, RotationLambdaARN, RotationRules: { AutomaticallyAfterDays: 30 } }),
    );

  test('are rotated by a function in four steps', async () => {
    const arn = await createFunction(lambda, 'rotate', {
      files: { 'index.js': ROTATE },
      handler: 'index.handler',
      Timeout: 30,
    });
    await create('role', { password: 'old' });
    await create('role-steps', []);
    await rotate('role', arn);
    assert.deepEqual(await secretValue('role'), { password: 'new' });
    assert.deepEqual(await secretValue('role', 'AWSPREVIOUS'), { password: 'old' });
    assert.deepEqual(await secretValue('role-steps'), ['createSecret', 'setSecret', 'testSecret', 'finishSecret']);
    const { RotationEnabled, RotationLambdaARN } = await secrets.send(new DescribeSecretCommand({ SecretId: 'role' }));
    assert.deepEqual([RotationEnabled, RotationLambdaARN], [true, arn]);
  });

  test('stay as they are when a step fails', async () => {
    const arn = await createFunction(lambda, 'rotate-refused', {
      files: { 'index.js': ROTATE },
      handler: 'index.handler',
      Timeout: 30,
      Environment: { Variables: { REFUSE: 'yes' } },
    });
    await create('refused', { password: 'old' });
    await rotate('refused', arn);
    assert.deepEqual(await secretValue('refused'), { password: 'old' });
    assert.deepEqual(await secretValue('refused', 'AWSPENDING'), { password: 'new' });
  });
});
