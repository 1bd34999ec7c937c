import { randomUUID } from 'node:crypto';
import { type FunctionCode, type FunctionProcess, startFunctionProcess } from './child-process.ts';
import { contextOf, FunctionError, type Handler } from './invocation.ts';
import { limitMemory } from './memory-limit.ts';

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

export type ChildEnvironment = Environment & {
  /** Of the process that is there, if any; it may be frozen. */
  readonly pid: () => number | undefined;
  /** What that process took to load the function. */
  readonly initMs: () => number | undefined;
};

export type ChildProcessOptions = FunctionCode & {
  /** Of one invocation, without the start of a process. */
  readonly timeoutMs: number;
  /** Default: none but V8's own. Where the kernel does not tell what a process holds there is none. */
  readonly memoryLimitMb?: number;
  /** Whether the process is stopped in the middle of whatever it does as soon as it has answered. Default false. */
  readonly freezes?: boolean;
  /** What else the handler finds in its context object. */
  readonly context?: Readonly<Record<string, string>>;
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

/** A process, and what throws when it has held more memory than it may. */
type Limited = FunctionProcess & { readonly checkMemory: () => Promise<void> };

function startLimited(options: ChildProcessOptions): Limited {
  const started = startFunctionProcess(options);
  const limitMb = options.memoryLimitMb;
  return { ...started, checkMemory: limitMb === undefined ? async () => undefined : limitMemory(started, limitMb) };
}

/** The process of an environment: started when it is needed, and again when it has ended. */
function replaceable(options: ChildProcessOptions) {
  let current: Limited | undefined;
  return {
    current: (): Limited | undefined => current,
    usable: async (): Promise<Limited> => {
      if (current?.isDoomed()) await current.exited;
      else if (current) return current;
      const started = startLimited(options);
      current = started;
      try {
        await within(INIT_LIMIT_MS, started.ready, () => started.kill(timedOut(INIT_LIMIT_MS)));
      } catch (error) {
        started.kill();
        throw error;
      }
      return started;
    },
  };
}

/**
 * Runs the function in a process of its own that lives from invocation to invocation, as Lambda's environments do: state in
 * modules stays, a function that throws may go on, one that ends its process, runs too long or holds too much gets a new one.
 */
export function inChildProcess(options: ChildProcessOptions): ChildEnvironment {
  const { timeoutMs, freezes = false, context } = options;
  const turns = queue();
  const { current, usable } = replaceable(options);

  const invoke = async (event: unknown): Promise<unknown> => {
    const process = await usable();
    if (freezes) process.thaw();
    const request = { requestId: randomUUID(), event, deadlineMs: Date.now() + timeoutMs, ...(context && { context }) };
    try {
      const result = await within(timeoutMs, process.invoke(request), () => process.kill(timedOut(timeoutMs)));
      await process.checkMemory();
      return result;
    } finally {
      if (freezes) process.freeze();
    }
  };
  return {
    invoke: (event) => turns.add(() => invoke(event)),
    kill: () => current()?.kill(),
    pid: () => (current()?.isDoomed() === false ? current()?.pid : undefined),
    initMs: () => current()?.initMs(),
    stop: async () => {
      await turns.close();
      const process = current();
      // What is frozen cannot take leave.
      if (freezes) process?.kill();
      else process?.disconnect();
      if (process) await within(GOODBYE_LIMIT_MS, process.exited, process.kill);
    },
  };
}
