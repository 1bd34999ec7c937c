import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { localStackOrSkip, useLocalStack } from '../support/localstack.ts';
import { createFunction, invoke } from '../support/localstack-functions.ts';
import { stacks, type Template } from '../support/stacks.ts';

const SAMPLE = readFileSync(new URL('../support/sample-resource.cjs', import.meta.url), 'utf8');
const FRAMEWORK = new URL(
  '../../node_modules/aws-cdk-lib/custom-resources/lib/provider-framework/runtime/',
  import.meta.url,
);
const localStack = useLocalStack();

type Asked = {
  readonly type: string;
  readonly physicalId?: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly old?: Readonly<Record<string, unknown>>;
};

describe('custom resources on LocalStack', { skip: localStackOrSkip() }, () => {
  let lambda: LambdaClient;
  let deploy: ReturnType<typeof stacks>;
  let ServiceToken: string;
  before(async () => {
    const config = (await localStack()).clientConfig('ap-southeast-2');
    lambda = new LambdaClient(config);
    deploy = stacks(new CloudFormationClient(config));
    ServiceToken = await createFunction(lambda, 'resource', {
      files: { 'index.js': SAMPLE },
      handler: 'index.handler',
      Timeout: 30,
    });
  });
  /** What the function has been asked for since the last call. */
  const requests = async (): Promise<Asked[]> =>
    (await invoke(lambda, 'resource', { ask: 'requests' })).payload as Asked[];
  const template = (properties: Readonly<Record<string, unknown>>, Type = 'Custom::Thing'): Template => ({
    Resources: { Thing: { Type, Properties: { ServiceToken, ...properties } } },
    Outputs: {
      Id: { Value: { Ref: 'Thing' } },
      Answer: { Value: { 'Fn::GetAtt': ['Thing', 'Answer'] } },
      Deep: { Value: { 'Fn::GetAtt': ['Thing', 'Deep.Answer'] } },
    },
  });

  for (const type of ['Custom::Thing', 'AWS::CloudFormation::CustomResource'])
    test(`${type}: made, updated in place, and deleted`, async () => {
      const name = `thing-${type.replaceAll(':', '-')}`;
      const first = { Answer: 'one', Number: 5, Flag: true, Deep: [{ n: 1 }], PhysicalId: 'thing-1' };
      const strings = {
        ServiceToken,
        Answer: 'one',
        Number: '5',
        Flag: 'true',
        Deep: [{ n: '1' }],
        PhysicalId: 'thing-1',
      };
      const created = await deploy.create(name, template(first, type));
      assert.deepEqual(
        [created.status, created.outputs],
        ['CREATE_COMPLETE', { Id: 'thing-1', Answer: 'one', Deep: 'deep one' }],
      );
      assert.deepEqual(await requests(), [{ type: 'Create', properties: strings }]);

      const updated = await deploy.update(name, template({ ...first, Answer: 'two' }, type));
      assert.deepEqual(
        [updated.status, updated.outputs],
        ['UPDATE_COMPLETE', { Id: 'thing-1', Answer: 'two', Deep: 'deep two' }],
      );
      const changed = { ...strings, Answer: 'two' };
      assert.deepEqual(await requests(), [
        { type: 'Update', physicalId: 'thing-1', properties: changed, old: strings },
      ]);

      assert.equal((await deploy.delete(name)).status, 'DELETE_COMPLETE');
      assert.deepEqual(await requests(), [{ type: 'Delete', physicalId: 'thing-1', properties: changed }]);
    });

  test('one that gets another physical id is a new one: the old one is deleted', async () => {
    await deploy.create('replaced', template({ Answer: 'a', PhysicalId: 'old' }));
    await requests();
    const { status, outputs } = await deploy.update('replaced', template({ Answer: 'a', PhysicalId: 'new' }));
    assert.deepEqual([status, outputs.Id], ['UPDATE_COMPLETE', 'new']);
    const asked = await requests();
    assert.deepEqual(
      asked.map(({ type, physicalId, properties }) => [type, physicalId, properties.PhysicalId]),
      [
        ['Update', 'old', 'new'],
        ['Delete', 'old', 'old'],
      ],
    );
    await deploy.delete('replaced');
    assert.deepEqual(
      (await requests()).map(({ type, physicalId }) => [type, physicalId]),
      [['Delete', 'new']],
    );
  });

  test('one that refuses fails the stack with its reason, and is deleted', async () => {
    const { status, reasons } = await deploy.create(
      'refused',
      template({ Answer: 'a', Misbehave: 'refuse', PhysicalId: 'half-made' }),
    );
    assert.match(status, /^ROLLBACK_COMPLETE$/);
    assert.match(reasons.join('\n'), /Received response status \[FAILED\].*refused on purpose/);
    assert.deepEqual(
      (await requests()).map(({ type, physicalId }) => [type, physicalId]),
      [
        ['Create', undefined],
        ['Delete', 'half-made'],
      ],
    );
    await deploy.delete('refused');
    assert.deepEqual(await requests(), []);
  });

  test('one whose function throws, or never answers, fails the stack', async () => {
    const thrown = await deploy.create('thrown', template({ Answer: 'a', Misbehave: 'throw' }));
    assert.match(thrown.status, /^ROLLBACK_COMPLETE$/);
    assert.match(thrown.reasons.join('\n'), /thrown on purpose/);
    const silent = await deploy.create('silent', template({ Answer: 'a', Misbehave: 'silence', ServiceTimeout: 1 }));
    assert.match(silent.status, /^ROLLBACK_COMPLETE$/);
    assert.match(silent.reasons.join('\n'), /did not receive a response/);
  });

  test('an update that fails leaves the old one, which can be deleted', async () => {
    await deploy.create('kept', template({ Answer: 'a', PhysicalId: 'kept' }));
    await requests();
    const { status, reasons } = await deploy.update(
      'kept',
      template({ Answer: 'b', PhysicalId: 'kept', Misbehave: 'refuse' }),
    );
    assert.match(status, /ROLLBACK_COMPLETE$/);
    assert.match(reasons.join('\n'), /refused on purpose/);
    await requests();
    await deploy.delete('kept');
    assert.deepEqual(
      (await requests()).map(({ type, physicalId, properties }) => [type, physicalId, properties.Answer]),
      [['Delete', 'kept', 'a']],
    );
  });

  test("CDK's provider framework stands between CloudFormation and a function that only returns", async () => {
    const onEvent = await createFunction(lambda, 'on-event', {
      files: {
        'index.js': `exports.handler = async ({ RequestType, ResourceProperties: { Fail, Answer } }) => {
          if (Fail && RequestType === 'Create') throw new Error('failed on purpose');
          return { PhysicalResourceId: 'framed', Data: { Answer, Deep: { Answer } } };
        };`,
      },
      handler: 'index.handler',
    });
    const framework = await createFunction(lambda, 'framework', {
      files: Object.fromEntries(
        readdirSync(FRAMEWORK)
          .filter((file) => file.endsWith('.js'))
          .map((file) => [file, readFileSync(new URL(file, FRAMEWORK), 'utf8')]),
      ),
      handler: 'framework.onEvent',
      Timeout: 60,
      Environment: { Variables: { USER_ON_EVENT_FUNCTION_ARN: onEvent } },
    });
    const framed = (properties: Readonly<Record<string, unknown>>): Template => ({
      Resources: { Thing: { Type: 'Custom::Thing', Properties: { ServiceToken: framework, ...properties } } },
      Outputs: { Answer: { Value: { 'Fn::GetAtt': ['Thing', 'Answer'] } } },
    });
    const { status, outputs, reasons } = await deploy.create('framed', framed({ Answer: 'yes' }));
    assert.deepEqual([status, outputs.Answer], ['CREATE_COMPLETE', 'yes'], reasons.join('\n'));
    assert.equal((await deploy.delete('framed')).status, 'DELETE_COMPLETE');
    const failed = await deploy.create('framed-failed', framed({ Answer: 'no', Fail: 'yes' }));
    assert.equal(failed.status, 'ROLLBACK_COMPLETE');
    assert.match(failed.reasons.join('\n'), /failed on purpose/);
  });
});
