import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Environment, FunctionError, inChildProcess, inProcess } from '../../local/mapping/environment.ts';
import { isAlive } from '../../local/process/process-table.ts';

const MODULE = fileURLToPath(new URL('../support/sample-function.ts', import.meta.url));
const OWNER = fileURLToPath(new URL('../support/sample-function-owner.ts', import.meta.url));
const environments: Environment[] = [];
let output = '';

type Options = { exportName?: string; modulePath?: string; timeoutMs?: number; env?: Record<string, string> };
function child({ exportName = 'echo', modulePath = MODULE, timeoutMs = 10_000, env = {} }: Options = {}): Environment {
  const onOutput = (text: string) => {
    output += text;
  };
  const environment = inChildProcess({ modulePath, exportName, env, timeoutMs, onOutput });
  environments.push(environment);
  return environment;
}
const rejectsLike = (promise: Promise<unknown>, errorType: string, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof FunctionError, String(error));
    assert.equal(error.errorType, errorType);
    assert.match(error.message, message);
    return true;
  });
/** Resolves when the process is gone; a zombie is. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await setImmediate();
}

afterEach(async () => {
  await Promise.all(environments.splice(0).map((environment) => environment.stop()));
  output = '';
});

describe('inProcess', () => {
  test('hands event and context over and returns what the handler does', async () => {
    const environment = inProcess(
      async (event: { n: number }, context) => [event.n + 1, context.functionName],
      'apply',
    );
    assert.deepEqual(await environment.invoke({ n: 1 }), [2, 'apply']);
  });
  test('one invocation at a time, in order', async () => {
    const seen: string[] = [];
    const environment = inProcess(async (event: string) => {
      seen.push(`begin ${event}`);
      await setImmediate();
      seen.push(`end ${event}`);
      if (event === 'a') throw new Error('a fails');
    });
    const first = assert.rejects(environment.invoke('a'), /a fails/);
    await environment.invoke('b');
    await first;
    assert.deepEqual(seen, ['begin a', 'end a', 'begin b', 'end b']);
  });
  test('stop waits for what has begun and refuses the rest; there is nothing to kill', async () => {
    const held = Promise.withResolvers<string>();
    const environment = inProcess(() => held.promise);
    const result = environment.invoke(1);
    const stopping = environment.stop();
    await assert.rejects(environment.invoke(2), /stopped/);
    held.resolve('done');
    await stopping;
    assert.equal(await result, 'done');
    assert.throws(() => environment.kill(), /cannot be killed/);
  });
});

describe('inChildProcess', () => {
  test('hands the event over as JSON and brings the result back', async () => {
    const event = { records: { 'a-0': [{ value: 'x'.repeat(6 << 20) }] }, left: undefined };
    assert.deepEqual(await child().invoke(event), { records: event.records });
    assert.equal(await child({ exportName: 'nothing' }).invoke({}), undefined);
  });

  test('gives exactly the environment asked for, and a context with the time that is left', async () => {
    const environment = child({ exportName: 'surroundings', env: { CONCORD_REGION: 'eu-west-1' }, timeoutMs: 5000 });
    const { env, remainingMs, pid } = (await environment.invoke({})) as {
      env: Record<string, string>;
      remainingMs: number;
      pid: number;
    };
    assert.deepEqual(
      Object.keys(env).filter((name) => !/^NODE_CHANNEL|^__/.test(name)),
      ['CONCORD_REGION'],
    );
    assert.ok(remainingMs > 0 && remainingMs <= 5000, `${remainingMs} ms`);
    assert.notEqual(pid, process.pid);
  });

  test('keeps the process, and the state of its modules, from invocation to invocation', async () => {
    const environment = child({ exportName: 'count' });
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => environment.invoke({}))), [1, 2, 3]);
  });

  test('a function that throws rejects with its error and goes on', async () => {
    const environment = child({ exportName: 'failOnce' });
    await assert.rejects(environment.invoke({}), (error: FunctionError) => {
      assert.deepEqual([error.errorType, error.message], ['RangeError', 'only once']);
      assert.match(error.stack ?? '', /sample-function/);
      return true;
    });
    assert.equal(await environment.invoke({}), 2);
  });

  test('killed in mid-invocation: it rejects as on Lambda, and the next one has a new process', async () => {
    const environment = child({ exportName: 'hang' });
    const invocation = rejectsLike(
      environment.invoke({ hang: true }),
      'Runtime.ExitError',
      /^Runtime exited with error: signal: killed$/,
    );
    const next = environment.invoke({});
    while (!output.includes('hanging')) await setImmediate();
    const pid = Number(/pid (\d+)/.exec(output)?.[1]);
    environment.kill();
    await invocation;
    await gone(pid);
    assert.notEqual(await next, pid);
  });

  test('killed between invocations: the next one does not notice', async () => {
    const environment = child({ exportName: 'count' });
    assert.equal(await environment.invoke({}), 1);
    environment.kill();
    assert.equal(await environment.invoke({}), 1);
    child().kill();
  });

  test('timeout: killed and rejected, even if the function never yields', async () => {
    const environment = child({ exportName: 'spin', timeoutMs: 150 });
    const message = /^Task timed out after 0\.15 seconds$/;
    await rejectsLike(environment.invoke({ spin: true }), 'Sandbox.Timedout', message);
    await rejectsLike(environment.invoke({ spin: true }), 'Sandbox.Timedout', message);
    assert.equal(await environment.invoke({}), 'did not spin');
  });

  for (const [code, message] of [
    [0, /^Runtime exited without providing a reason$/],
    [3, /^Runtime exited with error: exit status 3$/],
  ] as const) {
    test(`a process that exits with ${code} rejects and is replaced`, async () => {
      const environment = child({ exportName: 'exit' });
      await rejectsLike(environment.invoke({ code }), 'Runtime.ExitError', message);
      assert.equal(await environment.invoke({}), 'did not exit');
    });
  }

  test('a crash outside the handler rejects the invocation under way', async () => {
    await rejectsLike(child({ exportName: 'crash' }).invoke({}), 'Runtime.ExitError', /exit status 1/);
    assert.match(output, /crashed behind the handler/);
  });

  test('a module that is missing, throws, or lacks the export rejects every invocation', async () => {
    for (const [options, message] of [
      [{ modulePath: '/nowhere/handler.ts' }, /nowhere/],
      [{ exportName: 'missing' }, /has no function 'missing'/],
      [{ modulePath: MODULE.replace('.ts', '-broken.ts') }, /broken on purpose/],
    ] as const) {
      const environment = child(options);
      await rejectsLike(environment.invoke({}), 'Runtime.ImportModuleError', message);
      await rejectsLike(environment.invoke({}), 'Runtime.ImportModuleError', message);
    }
  });

  test('stop waits for the invocations under way, ends the process and refuses the rest', async () => {
    const environment = child({ exportName: 'surroundings' });
    const result = environment.invoke({});
    await environment.stop();
    const { pid } = (await result) as { pid: number };
    await gone(pid);
    await assert.rejects(environment.invoke({}), /stopped/);
    await child().stop();
  });

  test('the process dies with its parent, however that dies', async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const owner = fork(OWNER, [MODULE], { execArgv: [], env: {}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
      const [pid] = await once(owner, 'message');
      owner.kill(signal);
      await gone(pid);
    }
  });
});
