import { join } from 'node:path';
import { type ChildEnvironment, FunctionError, inChildProcess } from '../mapping/environment.ts';
import { type FunctionSettings, processStart, variablesOf } from './process-start.ts';
import { createSandbox, type SandboxContent } from './sandbox.ts';

export type LambdaOptions = FunctionSettings &
  SandboxContent & {
    /** Of one invocation. */
    readonly timeoutMs: number;
    /** What its processes write to stdout and stderr. */
    readonly onOutput: (text: string) => void;
  };

/** A deployed function: as many environments as there are invocations at a time. */
export type Lambda = {
  /** Rejects as the function does, or with the error that Lambda itself would report. */
  readonly invoke: (event: unknown) => Promise<unknown>;
  /** Every environment so far, in the order in which they were needed. */
  readonly environments: () => readonly ChildEnvironment[];
  /** Waits for what is under way, and leaves nothing behind. */
  readonly stop: () => Promise<void>;
};

/** Of a request, and of a response, that somebody waits for. */
const PAYLOAD_BYTES = 6 * 1024 * 1024;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

function checkRequest(event: unknown): void {
  if (bytesOf(event) > PAYLOAD_BYTES)
    throw new FunctionError(
      'RequestEntityTooLargeException',
      `Request must be smaller than ${PAYLOAD_BYTES} bytes for the InvokeFunction operation`,
    );
}

function checkResponse(result: unknown): void {
  const bytes = bytesOf(result);
  if (bytes > PAYLOAD_BYTES)
    throw new FunctionError(
      'Function.ResponseSizeTooLarge',
      `Response payload size (${bytes} bytes) exceeded maximum allowed payload size (${PAYLOAD_BYTES} bytes).`,
    );
}

/**
 * Runs a function with its layers as Lambda's nodejs24.x does: away from the repository, packages found through NODE_PATH
 * only, frozen between invocations, killed when it runs too long or holds too much, read-only but for one folder.
 */
export function startLambda(options: LambdaOptions): Lambda {
  const sandbox = createSandbox(options);
  const environments: ChildEnvironment[] = [];
  const idle: ChildEnvironment[] = [];

  const start = (): ChildEnvironment => {
    const temporary = sandbox.temporaryFolder();
    const environment = inChildProcess({
      modulePath: join(sandbox.taskRoot, 'index.js'),
      exportName: 'handler',
      env: variablesOf(options, sandbox, temporary),
      start: processStart(options.memoryMb, sandbox, temporary),
      context: { functionName: options.name, memoryLimitInMB: String(options.memoryMb) },
      timeoutMs: options.timeoutMs,
      memoryLimitMb: options.memoryMb,
      freezes: true,
      onOutput: options.onOutput,
    });
    environments.push(environment);
    return environment;
  };
  return {
    invoke: async (event) => {
      checkRequest(event);
      const environment = idle.pop() ?? start();
      try {
        const result = await environment.invoke(event);
        checkResponse(result);
        return result;
      } finally {
        idle.push(environment);
      }
    },
    environments: () => environments,
    stop: async () => {
      await Promise.all(environments.map((environment) => environment.stop()));
      sandbox.remove();
    },
  };
}
