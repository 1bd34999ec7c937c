import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { onCleanup } from './cleanup.ts';
import { runDirectory } from './run-directory.ts';
import { serverUser } from './server-user.ts';

// Nothing of the caller's environment (PGOPTIONS, TZ, LANG) may change what a server does.
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC' };

/** A child process and its end, which is null while it runs. */
export interface Child {
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  /** How it ended, for messages: "exit code 1", "SIGKILL", or why it could not be started. */
  end: string | null;
}

/**
 * Starts a PostgreSQL program as the server user. It gets its own process group, so that Ctrl-C in a terminal reaches
 * only this process, which then stops things in order. The child does not keep this process alive.
 */
export function startChild(program: string, args: string[], stdio: SpawnOptions['stdio']): Child {
  const child = spawn(program, args, {
    ...serverUser,
    cwd: runDirectory(),
    env: ENVIRONMENT,
    stdio: stdio ?? 'ignore',
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  const result: Child = { process: child, exited: promise, end: null };
  const finish = (end: string) => {
    result.end ??= end;
    resolve();
  };
  child.once('error', (error) => finish(error.message));
  child.once('exit', (code, signal) => finish(signal ?? `exit code ${code}`));
  child.unref();
  return result;
}

/**
 * Runs a program to its end and returns what it printed.
 *
 * @throws Error with its output when it fails
 */
export async function runTool(program: string, args: string[]): Promise<string> {
  const child = startChild(program, args, ['ignore', 'pipe', 'pipe']);
  const forget = onCleanup({ kill: () => killGroup(child) });
  let output = '';
  for (const stream of [child.process.stdout, child.process.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.process.ref();
  await child.exited;
  forget();
  if (child.end !== 'exit code 0') throw new Error(`${program}: ${child.end}\n${output.slice(-2000)}`);
  return output;
}

function killGroup({ process: child, end }: Child): void {
  if (end !== null || child.pid === undefined) return;
  if (process.platform === 'win32') child.kill();
  else process.kill(-child.pid, 'SIGKILL');
}
