import { randomUUID } from 'node:crypto';
import { type FunctionCode, type FunctionProcess, startFunctionProcess } from './child-process.ts';
import { contextOf, FunctionError, type Handler } from './invocation.ts';

export { FunctionError, type Handler, type LambdaContext } from './invocation.ts';

/** Where a function runs: one invocation at a time, the others wait for their turn. */
export type Environment = {
  /** Rejects as the function does, or as Lambda would when it times out or its process ends. */
  readonly invoke: (event: unknown) => Promise<unknown>;
  /** Kills the process now; the invocation in flight rejects, the next one starts a new process. */
  readonly kill: () => void;
  /** Waits for the invocations begun and waiting, then ends the process. From now on `invoke` rejects. */
  readonly stop: () => Promise<void>;
};

export type ChildProcessOptions = FunctionCode & {
  /** Of one invocation, without the start of a process. */
  readonly timeoutMs: number;
};

/** Lambda's own limit for loading a function. */
const INIT_LIMIT_MS = 10_000;
const GOODBYE_LIMIT_MS = 2000;

/** Runs one piece of work after the other, until it is closed. */
function queue() {
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  return {
    add: <T>(work: () => Promise<T>): Promise<T> => {
      if (isClosed) return Promise.reject(new Error('the environment was stopped'));
      const result = last.then(work);
      last = result.catch(() => undefined);
      return result;
    },
    close: (): Promise<unknown> => {
      isClosed = true;
      return last;
    },
  };
}

/** Runs the function in this very process, without a time limit; there is nothing that `kill` could kill, so it throws. */
export function inProcess(handler: Handler, functionName = 'in-process'): Environment {
  const turns = queue();
  return {
    invoke: (event) => turns.add(async () => handler(event as never, contextOf(functionName, randomUUID(), Infinity))),
    kill: () => {
      throw new Error('a function in this process cannot be killed');
    },
    stop: async () => void (await turns.close()),
  };
}

async function within<T>(limitMs: number, promise: Promise<T>, onTimeout: () => void): Promise<T> {
  const timer = setTimeout(onTimeout, limitMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

const timedOut = (limitMs: number): FunctionError =>
  new FunctionError('Sandbox.Timedout', `Task timed out after ${(limitMs / 1000).toFixed(2)} seconds`);

/**
 * Runs the function in a process of its own that lives from invocation to invocation, as Lambda's environments do: state in
 * modules stays, a function that throws may go on, one that ends its process or runs too long gets a new one.
 */
export function inChildProcess(options: ChildProcessOptions): Environment {
  const turns = queue();
  let current: FunctionProcess | undefined;

  const usable = async (): Promise<FunctionProcess> => {
    if (current?.isDoomed()) await current.exited;
    else if (current) return current;
    const started = startFunctionProcess(options);
    current = started;
    try {
      await within(INIT_LIMIT_MS, started.ready, () => started.kill(timedOut(INIT_LIMIT_MS)));
    } catch (error) {
      started.kill();
      throw error;
    }
    return started;
  };
  const invoke = async (event: unknown): Promise<unknown> => {
    const process = await usable();
    const request = { requestId: randomUUID(), event, deadlineMs: Date.now() + options.timeoutMs };
    return within(options.timeoutMs, process.invoke(request), () => process.kill(timedOut(options.timeoutMs)));
  };
  return {
    invoke: (event) => turns.add(() => invoke(event)),
    kill: () => current?.kill(),
    stop: async () => {
      await turns.close();
      current?.disconnect();
      if (current) await within(GOODBYE_LIMIT_MS, current.exited, current.kill);
    },
  };
}
