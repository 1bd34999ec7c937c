import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LambdaClient } from '@aws-sdk/client-lambda';
import type { LocalStack } from '../../local/localstack/localstack.ts';
import { isAlive } from '../../local/process/process-table.ts';
import { temporaryFolder } from '../support/command.ts';
import { listeners } from '../support/listeners.ts';
import { localStackOrSkip, ownLocalStack } from '../support/localstack.ts';
import { createFunction, invoke } from '../support/localstack-functions.ts';

const OWNER = new URL('../support/localstack-owner.ts', import.meta.url);

type Ticked = { readonly pid: number; readonly ticks: number };

/** As in /proc: T stopped, S sleeping, R running. */
function stateOf(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `within a minute: ${condition}`);
    await delay(10);
  }
}

const folder = temporaryFolder();
const skip = localStackOrSkip() || (process.platform !== 'linux' && 'reads /proc');

describe('LocalStack', { skip }, () => {
  let localStack: LocalStack;
  let lambda: LambdaClient;
  before(async () => {
    localStack = await ownLocalStack();
    lambda = new LambdaClient(localStack.clientConfig('eu-west-1'));
    await createFunction(lambda, 'ticking', { handler: 'index.tick' });
  });
  after(() => localStack?.stop());
  const tick = async (atLeast: number): Promise<Ticked> =>
    (await invoke(lambda, 'ticking', { atLeast })).payload as Ticked;

  test('listens on the loopback interface only, and tells its log and what it takes', async () => {
    assert.deepEqual(listeners(localStack.pid()!), [`127.0.0.1:${new URL(localStack.endpoint).port}`]);
    assert.match(await localStack.log(), /LocalStack version: 4\.13\.1/);
    assert.ok(localStack.residentBytes()! > 50e6);
  });

  test('freezes a function between invocations: none of its timers fires, until the next one thaws it', async () => {
    const { pid, ticks } = await tick(20);
    await until(() => stateOf(pid) === 'T');
    await delay(500); // 50 ticks of a process that runs
    assert.equal(stateOf(pid), 'T');
    const next = await tick(1);
    assert.equal(next.pid, pid);
    assert.ok(next.ticks <= ticks + 5, `${ticks}, then ${next.ticks}`);
  });

  test('lets a function run while it is invoked', async () => {
    const { pid } = await tick(0);
    await until(() => stateOf(pid) === 'T');
    const invocation = tick(50);
    await until(() => stateOf(pid) !== 'T');
    assert.equal((await invocation).pid, pid);
  });

  test('that is killed takes its functions with it, though they are frozen', async () => {
    const { pid } = await tick(1);
    await until(() => stateOf(pid) === 'T');
    const server = localStack.pid()!;
    process.kill(server, 'SIGKILL');
    await until(() => !isAlive(pid) && !isAlive(server));
    assert.equal(localStack.pid(), null);
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const)
    test(`ends, with its functions, when the process that has started it gets a ${signal}`, async () => {
      const env = { ...process.env, TMPDIR: folder };
      const owner = fork(OWNER, { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      const [pids] = await once(owner, 'message');
      assert.ok(pids.every(isAlive));
      owner.kill(signal);
      await until(() => !pids.some(isAlive));
    });
});
