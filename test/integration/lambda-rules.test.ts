import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { functionFolder, functionNames, LAYER_NAMES, layerFolder } from '../../cdk/functions/bundle.ts';
import type { LambdaOptions } from '../../local/lambda/lambda-function.ts';
import { isAlive } from '../../local/process/process-table.ts';
import { removeForeignRunDirectory, runDirectory } from '../../local/process/run-directory.ts';
import { lambdaOf, stopLambdas } from '../support/bundled.ts';
import { topologyOf } from '../support/regions.ts';

const OWNER = new URL('../support/lambda-owner.ts', import.meta.url).pathname;
const ROOT = new URL('../../', import.meta.url).pathname;
const skip = process.platform === 'linux' ? false : 'reads /proc';
const topology = topologyOf({ names: ['us-east-1', 'eu-west-1'], tables: ['public.users'] });

stopLambdas();

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(runDirectory(), 'code-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** A function whose handler has this body. */
const handler = (body: string, settings: Partial<LambdaOptions> = {}) =>
  lambdaOf({
    code: folderWith({ 'index.js': `exports.handler = async (event, context) => { ${body} };` }),
    ...settings,
  });

const failsLike = (promise: Promise<unknown>, errorType: string, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error: Error & { errorType?: string }) => {
    assert.deepEqual([error.errorType, message.test(error.message)], [errorType, true], error.message);
    return true;
  });

/** Of a process, as in /proc: T stopped. */
const stateOf = (pid: number): string | undefined => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
};

describe('packages', () => {
  const DEPLOYED = { CONCORD_REGION: 'eu-west-1', CONCORD_DATABASE_URL: 'postgres://role:secret@127.0.0.1:1/app' };
  const code = functionFolder('apply', topology);

  for (const missing of LAYER_NAMES)
    test(`without layer ${missing} the apply function does not load`, async () => {
      const layers = LAYER_NAMES.filter((name) => name !== missing).map(layerFolder);
      const lambda = lambdaOf({ code, layers, environment: DEPLOYED });
      await failsLike(
        lambda.invoke({}),
        'Runtime.ImportModuleError',
        new RegExp(`Cannot find module '@concord/${missing}'`),
      );
    });

  for (const name of functionNames())
    test(`${name} loads with the layers, and fails of an event that is not its own`, async () => {
      const environment = {
        ...DEPLOYED,
        ...{ CONCORD_FAILED_BUCKET: 'bucket', CONCORD_APPLY_FUNCTION: 'apply', CONCORD_ALERTS: '{}' },
        CONCORD_RECONCILE: '{"bucket":"bucket"}',
        // What calls AWS is refused at once.
        ...{ AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' },
        ...{ AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_MAX_ATTEMPTS: '1' },
      };
      const lambda = lambdaOf({ code: functionFolder(name, topology), environment, timeoutMs: 5000 });
      await assert.rejects(lambda.invoke('no event'), (error: Error & { errorType?: string }) => {
        assert.doesNotMatch(error.errorType ?? '', /^(?:Runtime|Sandbox)\./, error.message);
        return true;
      });
    });

  test('of which only an ES module is there cannot be required, as on Lambda', async () => {
    const layer = folderWith({
      'nodejs/node_modules/modern/package.json': '{"name":"modern","type":"module","exports":"./index.js"}',
      'nodejs/node_modules/modern/index.js': 'export const answer = 42;',
    });
    const lambda = lambdaOf({
      code: folderWith({ 'index.js': "const { answer } = require('modern'); exports.handler = async () => answer;" }),
      layers: [layer],
    });
    await failsLike(lambda.invoke({}), 'Runtime.ImportModuleError', /require\(\) of ES Module .*modern/s);
  });

  test('are those of the layers and the AWS SDK, and none of this project', async () => {
    const lambda = handler(`
      const find = (name) => { try { return require.resolve(name); } catch (error) { return error.code; } };
      return Object.fromEntries(event.map((name) => [name, find(name)]));`);
    const names = ['@concord/runtime', 'typebox/schema', '@aws-sdk/client-secrets-manager', 'commander', 'esbuild'];
    const found = (await lambda.invoke(names)) as Record<string, string>;
    assert.match(found['@concord/runtime'] ?? '', /opt-\d\/nodejs\/node_modules\/@concord\/runtime\/index\.js$/);
    assert.match(found['typebox/schema'] ?? '', /opt-\d\/nodejs\/node_modules\/typebox\/schema\.js$/);
    assert.match(found['@aws-sdk/client-secrets-manager'] ?? '', /client-secrets-manager/);
    assert.deepEqual([found.commander, found.esbuild], ['MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']);
  });

  test('are there once: what one bundle makes another one knows', async () => {
    const lambda = handler(`
      const { logger, connect } = require('@concord/runtime');
      const { Logger } = require('@aws-lambda-powertools/logger');
      const postgres = require('postgres');
      const middy = require('@middy/core').default;
      const sql = connect({ url: 'postgres://role:secret@127.0.0.1:1/app' });
      const refused = await sql.unsafe('select 1').catch((error) => error);
      const { parseTopology } = require('@concord/events');
      return {
        logger: logger instanceof Logger,
        error: refused.code,
        postgres: typeof postgres.PostgresError,
        middy: await middy().handler(async () => 'ran')({}, context),
        topology: parseTopology({}).ok,
      };`);
    const expected = { logger: true, error: 'ECONNREFUSED', postgres: 'function', middy: 'ran', topology: false };
    assert.deepEqual(await lambda.invoke({}), expected);
  });

  test('of the SDK are found by what a layer imports when it needs them', async () => {
    const lambda = handler(
      `const { credentialsOf } = require('@concord/runtime');
      const credentials = credentialsOf({ url: 'postgres://role@db.example:5432/app', password: { kind: 'iam' } });
      const token = new URL('https://' + await credentials.password());
      return [token.host, token.searchParams.get('DBUser'), token.searchParams.get('Action')];`,
      { environment: { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' } },
    );
    assert.deepEqual(await lambda.invoke({}), ['db.example:5432', 'role', 'connect']);
  });
});

describe('errors', () => {
  test('tell the file and line of the TypeScript, in the function and in its layers', async () => {
    const lambda = lambdaOf({
      code: functionFolder('apply', topology),
      environment: {
        ...{ CONCORD_REGION: 'eu-west-1', CONCORD_DATABASE_URL: 'postgres://role:secret@127.0.0.1:1/app' },
        NODE_OPTIONS: '--enable-source-maps',
      },
    });
    const { stack = '' } = (await lambda.invoke({ eventSource: 'aws:sqs' }).catch((error) => error)) as Error;
    for (const [path, text] of [
      ['functions/apply/apply.ts', 'parseKafkaEvent('],
      ['events/lambda-kafka.ts', 'throw'],
    ] as const) {
      const line = Number(new RegExp(`${path}:(\\d+)`).exec(stack)?.[1]);
      const source = readFileSync(join(ROOT, path), 'utf8').split('\n');
      // A throw over several lines is reported at the line where the error is made.
      assert.ok(
        source
          .slice(line - 2, line)
          .join('\n')
          .includes(text),
        `${path}:${line}\n${stack}`,
      );
    }
  });
});

describe('a process', () => {
  test('may write into its own temporary folder and nowhere else', async () => {
    const lambda = handler(`
      const fs = require('node:fs'), path = require('node:path');
      const write = (file) => { try { fs.writeFileSync(file, 'text'); return fs.readFileSync(file, 'utf8'); } catch (error) { return error.code; } };
      return [require('node:os').tmpdir() + '/file', 'beside.js', __filename, path.dirname(__dirname) + '/other', '/etc/concord-test'].map(write);`);
    const DENIED = 'ERR_ACCESS_DENIED';
    assert.deepEqual(await lambda.invoke({}), ['text', DENIED, DENIED, DENIED, DENIED]);
  });

  test('has the variables that Lambda sets and those of the function, a context, and no others', async () => {
    const lambda = handler(
      'return { env: process.env, cwd: process.cwd(), context: { ...context, ms: context.getRemainingTimeInMillis() } };',
      {
        name: 'apply',
        memoryMb: 300,
        timeoutMs: 4000,
        environment: { CONCORD_REGION: 'eu-west-1', AWS_REGION: 'elsewhere' },
      },
    );
    const { env, cwd, context } = (await lambda.invoke({})) as {
      env: Record<string, string>;
      cwd: string;
      context: Record<string, unknown>;
    };
    assert.equal(env.LAMBDA_TASK_ROOT, cwd);
    assert.deepEqual(
      [env.AWS_REGION, env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE, env.AWS_EXECUTION_ENV],
      ['eu-west-1', '300', 'AWS_Lambda_nodejs24.x'],
    );
    assert.deepEqual([context.functionName, context.memoryLimitInMB], ['apply', '300']);
    assert.ok(Number(context.ms) > 0 && Number(context.ms) <= 4000);
    const known =
      /^(?:AWS_|CONCORD_REGION$|LAMBDA_TASK_ROOT$|LANG$|NODE_PATH$|NODE_CHANNEL_|PATH$|TMPDIR$|TZ$|_HANDLER$)/;
    assert.deepEqual(
      Object.keys(env).filter((name) => !known.test(name)),
      [],
    );
  });

  test('is stopped between invocations: what it left running does not run', { skip }, async () => {
    const lambda = handler(
      'globalThis.ticks ??= 0; globalThis.timer ??= setInterval(() => globalThis.ticks++, 1); return globalThis.ticks;',
    );
    const first = await lambda.invoke({});
    const pid = lambda.environments()[0]?.pid() ?? 0;
    while (stateOf(pid) !== 'T') await setImmediate();
    await delay(1000); // a thousand ticks of a process that runs
    assert.ok(Number(await lambda.invoke({})) <= Number(first) + 500);
  });

  test('that runs too long is killed, and the next invocation has another', async () => {
    const lambda = handler('if (event.hang) await new Promise(() => {}); return process.pid;', { timeoutMs: 1500 });
    const pid = await lambda.invoke({});
    await failsLike(lambda.invoke({ hang: true }), 'Sandbox.Timedout', /^Task timed out after 1\.50 seconds$/);
    assert.notEqual(await lambda.invoke({}), pid);
    assert.equal(isAlive(Number(pid)), false);
  });

  test('that holds more than its memory is killed, be it in the heap or beside it', { skip }, async () => {
    const lambda = handler(
      'globalThis.kept = event.buffer ? Buffer.alloc(event.buffer << 20, 1) : Array.from({ length: event.objects }, () => ({})); return globalThis.kept.length;',
      { memoryMb: 200 },
    );
    assert.equal(await lambda.invoke({ buffer: 20 }), 20 << 20);
    await failsLike(lambda.invoke({ buffer: 300 }), 'Runtime.OutOfMemory', /signal: killed$/);
    await failsLike(lambda.invoke({ objects: 2e7 }), 'Runtime.OutOfMemory', /signal: killed$/);
    assert.equal(await lambda.invoke({ objects: 10 }), 10);
  });

  test('gets no request, and gives no response, of more than 6 MB', async () => {
    const lambda = handler("return 'x'.repeat(event.length ?? 0);");
    const limit = 6 * 1024 * 1024;
    assert.equal(((await lambda.invoke({ length: limit - 2 })) as string).length, limit - 2);
    await failsLike(lambda.invoke({ length: limit - 1 }), 'Function.ResponseSizeTooLarge', /6291457 bytes/);
    assert.equal(await lambda.invoke('x'.repeat(limit - 2)), 'x'.repeat(limit - 2));
    await failsLike(lambda.invoke('x'.repeat(limit - 1)), 'RequestEntityTooLargeException', /6291456 bytes/);
  });

  test('dies with the one that started it, though it is stopped', { skip }, async () => {
    const code = folderWith({ 'index.js': 'exports.handler = async () => process.pid;' });
    const owner = fork(OWNER, [code], { execArgv: [], env: {}, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [{ pid, directory }] = await once(owner, 'message');
    while (stateOf(pid) !== 'T') await setImmediate();
    owner.kill('SIGKILL');
    while (isAlive(pid)) await setImmediate();
    await removeForeignRunDirectory(directory);
  });
});
