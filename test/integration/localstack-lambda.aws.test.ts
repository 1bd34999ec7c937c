import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { localStackOrSkip, useLocalStack } from '../support/localstack.ts';
import {
  createFunction,
  type Invoked,
  invoke,
  type LambdaError,
  publishLayer,
} from '../support/localstack-functions.ts';

const localStack = useLocalStack();

describe('functions on LocalStack', { skip: localStackOrSkip() }, () => {
  let lambda: LambdaClient;
  before(async () => {
    lambda = new LambdaClient((await localStack()).clientConfig('eu-north-1'));
  });
  const failsLike = ({ error, payload }: Invoked, errorType: string, message: RegExp): LambdaError => {
    assert.equal(error, 'Unhandled');
    const { errorType: type, errorMessage } = payload as LambdaError;
    assert.equal(type, errorType);
    assert.match(errorMessage, message);
    return payload as LambdaError;
  };

  test('hand the event over as JSON and bring the result back', async () => {
    await createFunction(lambda, 'echo', { handler: 'index.echo' });
    const event = { text: 'ü"\n\u2028\ud800', big: 1e21, list: [null, true, { 'a b': [] }] };
    assert.deepEqual((await invoke(lambda, 'echo', event)).payload, event);
    const spread = await lambda.send(new InvokeCommand({ FunctionName: 'echo', Payload: '{\r\n "a":\n1\n}' }));
    assert.equal(spread.Payload?.transformToString(), '{"a":1}');
    await createFunction(lambda, 'nothing', { handler: 'index.nothing' });
    assert.deepEqual(await invoke(lambda, 'nothing').then(({ error, payload }) => [error, payload]), [undefined, null]);
  });

  test('take and give payloads of 5 MB, and nothing of more than 6 MB', async () => {
    await createFunction(lambda, 'large', { handler: 'index.echo', MemorySize: 512 });
    const text = 'x'.repeat(5 << 20);
    assert.ok((await invoke(lambda, 'large', text)).payload === text);
    await createFunction(lambda, 'larger', {
      files: { 'index.js': "exports.handler = async (n) => 'x'.repeat(n);" },
      handler: 'index.handler',
      MemorySize: 512,
    });
    failsLike(await invoke(lambda, 'larger', 7 << 20), 'Function.ResponseSizeTooLarge', /6291556 bytes/);
    assert.equal((await invoke(lambda, 'larger', 3)).payload, 'xxx');
  });

  test('run as on Lambda: its environment, its context, Node 24 without require of ES modules', async () => {
    const arn = await createFunction(lambda, 'surroundings', {
      handler: 'index.surroundings',
      MemorySize: 200,
      Timeout: 7,
      Environment: { Variables: { CONCORD_REGION: 'eu-north-1' } },
    });
    const { payload } = await invoke(lambda, 'surroundings');
    const { env, cwd, flags, node, context, remainingMs } = payload as {
      env: Record<string, string>;
      cwd: string;
      flags: string[];
      node: string;
      context: Record<string, string>;
      remainingMs: number;
    };
    assert.equal(env.CONCORD_REGION, 'eu-north-1');
    assert.equal(env.AWS_REGION, 'eu-north-1');
    assert.equal(env.AWS_ENDPOINT_URL, (await localStack()).endpoint);
    assert.equal(env.LAMBDA_TASK_ROOT, cwd);
    assert.deepEqual(
      Object.keys(env).filter((name) => /^(LOCALSTACK|CONCORD_(?!REGION)|NODE_CHANNEL|PYTHON)/.test(name)),
      [],
    );
    assert.match(node, /^v24\./);
    assert.ok(
      flags.includes('--no-experimental-require-module') && flags.includes('--max-old-space-size=180'),
      `${flags}`,
    );
    assert.deepEqual(
      [context.functionName, context.functionVersion, context.invokedFunctionArn, context.memoryLimitInMB],
      ['surroundings', '$LATEST', arn, '200'],
    );
    assert.ok(remainingMs > 5000 && remainingMs <= 7000, `${remainingMs} ms`);
  });

  test('may write into their temporary folder and not into their code', async () => {
    await createFunction(lambda, 'write', { handler: 'index.write' });
    const { code, beside, temporary } = (await invoke(lambda, 'write')).payload as Record<string, string>;
    assert.deepEqual([code, temporary], ['EACCES', 'written']);
    if (process.getuid?.() === 0) assert.equal(beside, 'EACCES'); // else functions run as the owner of the folder
  });

  test('find packages in their layers, in later ones first, and the AWS SDK, but nothing else of this project', async () => {
    const Layers = [
      await publishLayer(lambda, 'first', { '@concord/runtime': '// first', '@concord/events': '// first' }),
      await publishLayer(lambda, 'second', { '@concord/runtime': '// second' }),
    ];
    await createFunction(lambda, 'layers', { handler: 'index.resolve', Layers });
    await createFunction(lambda, 'no-layers', { handler: 'index.resolve' });
    const ask = async (name: string): Promise<Record<string, string>> => {
      const packages = ['@concord/runtime', '@concord/events', '@aws-sdk/client-s3', '@aws-sdk/client-sfn', 'kafkajs'];
      return (await invoke(lambda, name, { packages })).payload as Record<string, string>;
    };
    const layered = await ask('layers');
    const folderOf = (name: string): string => layered[name]!.split('/nodejs/')[0]!;
    assert.notEqual(folderOf('@concord/runtime'), folderOf('@concord/events'));
    assert.match(layered['@concord/runtime']!, /\/nodejs\/node_modules\/@concord\/runtime\/index\.js$/);
    const plain = await ask('no-layers');
    assert.equal(plain['@concord/runtime'], 'MODULE_NOT_FOUND');
    assert.equal(plain.kafkajs, 'MODULE_NOT_FOUND');
    assert.match(plain['@aws-sdk/client-s3']!, /client-s3/);
    assert.match(plain['@aws-sdk/client-sfn']!, /client-sfn/);
  });

  test('load the later layer of two that have a package in common', async () => {
    const Layers = [
      await publishLayer(lambda, 'answer-1', { '@concord/answer': 'module.exports = 1;' }),
      await publishLayer(lambda, 'answer-2', { '@concord/answer': 'module.exports = 2;' }),
    ];
    const files = { 'src/main.js': "const n = require('@concord/answer'); exports.go = async () => n;" };
    await createFunction(lambda, 'answer', { files, handler: 'src/main.go', Layers });
    assert.equal((await invoke(lambda, 'answer')).payload, 2);
    await createFunction(lambda, 'answer-missing', { files, handler: 'src/main.go' });
    for (let attempt = 0; attempt < 2; attempt++)
      failsLike(
        await invoke(lambda, 'answer-missing'),
        'Runtime.ImportModuleError',
        /Cannot find module '@concord\/answer'/,
      );
    await createFunction(lambda, 'no-handler', { files, handler: 'src/main.gone', Layers });
    assert.equal((await invoke(lambda, 'no-handler')).error, 'Unhandled');
  });

  test('tell what they throw, with the log, and go on in the same process', async () => {
    await createFunction(lambda, 'fail', { handler: 'index.fail' });
    const failed = await invoke(lambda, 'fail', { message: 'on purpose' });
    const { trace } = failsLike(failed, 'RangeError', /^on purpose$/);
    assert.match(trace?.[0] ?? '', /RangeError: on purpose/);
    assert.match(trace?.[1] ?? '', /index\.js/);
    assert.match(failed.log, /^START RequestId: .*\nabout to fail\nERROR\tInvoke Error\t.*\nEND .*\nREPORT .*Duration/);
  });

  test('that run too long are killed, and what comes next has a new process', async () => {
    await createFunction(lambda, 'hang', { handler: 'index.hang', Timeout: 2 });
    const first = (await invoke(lambda, 'hang')).payload;
    const hung = await invoke(lambda, 'hang', { hang: true });
    failsLike(hung, 'Sandbox.Timedout', /^RequestId: \S+ Error: Task timed out after 2\.00 seconds$/);
    assert.match(hung.log, new RegExp(`pid ${first}`));
    const next = await invoke(lambda, 'hang');
    assert.equal(next.error, undefined);
    assert.notEqual(next.payload, first);
  });

  test('that end their process, or run out of memory, are replaced', async () => {
    await createFunction(lambda, 'exit', { handler: 'index.exit' });
    await createFunction(lambda, 'fill', { handler: 'index.fill', MemorySize: 128 });
    const before = (await invoke(lambda, 'exit')).payload;
    for (const [code, how] of [
      [0, /Runtime exited without providing a reason$/],
      [3, /Runtime exited with error: exit status 3$/],
    ] as const)
      failsLike(await invoke(lambda, 'exit', { code }), 'Runtime.ExitError', how);
    assert.notEqual((await invoke(lambda, 'exit')).payload, before);
    const filled = await invoke(lambda, 'fill', { fill: true });
    failsLike(filled, 'Runtime.ExitError', /Runtime exited with error: signal: aborted$/);
    assert.match(filled.log, /heap out of memory/);
    assert.equal((await invoke(lambda, 'fill')).error, undefined);
  });

  test('run side by side, each invocation in an environment of its own', async () => {
    await createFunction(lambda, 'side-by-side', { handler: 'index.tick' });
    const invoked = await Promise.all(Array.from({ length: 3 }, () => invoke(lambda, 'side-by-side', { atLeast: 30 })));
    assert.equal(new Set(invoked.map(({ payload }) => (payload as { pid: number }).pid)).size, 3);
  });
});
