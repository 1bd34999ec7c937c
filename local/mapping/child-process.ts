import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Answer, FunctionError, type Request } from './invocation.ts';

export type FunctionCode = {
  /** An absolute path; TypeScript is run as it is. */
  readonly modulePath: string;
  readonly exportName: string;
  /** The whole environment of the process: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** What the process writes to stdout and stderr; without it, it writes where this process does. */
  readonly onOutput?: (text: string) => void;
  /** How Node is started, where that matters. */
  readonly start?: ProcessStart;
};

export type ProcessStart = {
  readonly directory: string;
  /** A program that becomes Node: it gets its own arguments, then the path of Node and all that follows. */
  readonly launcher?: { readonly program: string; readonly arguments: readonly string[] };
  readonly nodeArguments: readonly string[];
};

/** A process that has loaded one function. Every promise rejects with a `FunctionError` once the process is gone. */
export type FunctionProcess = {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  readonly ready: Promise<void>;
  /** What loading the function took; undefined until it is ready. */
  readonly initMs: () => number | undefined;
  readonly invoke: (request: Request) => Promise<unknown>;
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
  readonly isDoomed: () => boolean;
  /** SIGKILL; `reason` stands in for what the exit would tell. */
  readonly kill: (reason?: FunctionError) => void;
  /** SIGSTOP: nothing of it runs, and its clocks go on. Nothing happens to a process that is gone. */
  readonly freeze: () => void;
  readonly thaw: () => void;
  /** Asks the process to end. */
  readonly disconnect: () => void;
};

const ENTRY = fileURLToPath(new URL('function-process.ts', import.meta.url));
/** As Go, in which Lambda's supervisor is written, spells them. */
const SIGNALS: Readonly<Record<string, string>> = { SIGKILL: 'killed', SIGTERM: 'terminated', SIGABRT: 'aborted' };

function exitError(code: number | null, signal: NodeJS.Signals | null): FunctionError {
  const how = signal ? `signal: ${SIGNALS[signal] ?? signal}` : `exit status ${code}`;
  const message = code === 0 ? 'Runtime exited without providing a reason' : `Runtime exited with error: ${how}`;
  return new FunctionError('Runtime.ExitError', message);
}

function forkFunction({ modulePath, exportName, env, onOutput, start }: FunctionCode): ChildProcess {
  const output = onOutput ? 'pipe' : 'inherit';
  const { directory, launcher, nodeArguments = [] } = start ?? {};
  const child = fork(ENTRY, [modulePath, exportName], {
    env: { ...env },
    execPath: launcher?.program ?? process.execPath,
    execArgv: [...(launcher ? [...launcher.arguments, process.execPath] : []), ...nodeArguments],
    ...(directory !== undefined && { cwd: directory }),
    stdio: ['ignore', output, output, 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', onOutput ?? (() => undefined));
  return child;
}

const alive = new Set<ChildProcess>();
let killsAtExit = false;

/** A child that is busy would not notice that this process has ended before its function returns. */
function killWithThisProcess(child: ChildProcess): void {
  alive.add(child);
  if (killsAtExit) return;
  killsAtExit = true;
  process.on('exit', () => {
    for (const other of alive) other.kill('SIGKILL');
  });
}

/** Tells the process's fate: `fate` rejects when it is gone, and nothing of it is left by then. */
function watch(child: ChildProcess) {
  const exited = Promise.withResolvers<void>();
  const fate = Promise.withResolvers<never>();
  let reason: FunctionError | undefined;
  const end = (error: FunctionError): void => {
    alive.delete(child);
    fate.reject(reason ?? error);
    exited.resolve();
  };
  fate.promise.catch(() => undefined);
  killWithThisProcess(child);
  child.once('exit', (code, signal) => end(exitError(code, signal)));
  child.once('error', (error) => end(new FunctionError('Runtime.ExitError', error.message)));
  const kill = (why?: FunctionError): void => {
    reason ??= why;
    child.kill('SIGKILL');
  };
  return { exited: exited.promise, fate: fate.promise, kill };
}

/** Starts a process and loads the function in it. */
export function startFunctionProcess(code: FunctionCode): FunctionProcess {
  const child = forkFunction(code);
  const { exited, fate, kill } = watch(child);
  let isDoomed = false;
  void exited.then(() => {
    isDoomed = true;
  });
  const nextAnswer = async (): Promise<Answer> => {
    const [answer] = await Promise.race([once(child, 'message'), fate]);
    if (answer.kind === 'error') throw new FunctionError(answer.errorType, answer.message, answer.stack);
    return answer;
  };
  let initMs: number | undefined;
  const ready = nextAnswer().then((answer) => {
    if (answer.kind === 'ready') initMs = answer.initMs;
  });
  ready.catch(() => undefined);

  return {
    pid: child.pid,
    ready,
    initMs: () => initMs,
    exited,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    invoke: async (request) => {
      const answer = nextAnswer();
      child.send(request, () => undefined); // if it cannot be sent, the exit tells
      const result = await answer;
      return result.kind === 'result' ? result.result : undefined;
    },
    isDoomed: () => isDoomed,
    kill: (reason) => {
      isDoomed = true;
      kill(reason);
    },
    disconnect: () => {
      isDoomed = true;
      if (child.connected) child.disconnect();
    },
  };
}
