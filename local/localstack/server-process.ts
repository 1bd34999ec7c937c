import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runningPid, writePidFile } from '../process/pid-file.ts';
import { childrenOf, isAlive } from '../process/process-table.ts';

/** LocalStack as a process: its directory, which keeps its log and its process id, and all that it is told. */
export type Server = {
  readonly python: string;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
};

const LOG = 'output.log';
const POLL_MS = 50;
const READY_LIMIT_MS = 120_000;
const KILL_LIMIT_MS = 5000;

/**
 * Starts the process and waits until it `isReady`. Throws an Error with the end of its log when it ends before, or is not
 * ready within two minutes.
 */
export async function startServer(server: Server, isReady: () => Promise<boolean>): Promise<void> {
  const child = spawnServer(server);
  let end: string | undefined;
  child.once('error', (error) => {
    end = error.message;
  });
  child.once('exit', (code, signal) => {
    end = signal ?? `exit code ${code}`;
  });
  if (child.pid !== undefined) writePidFile(server.directory, child.pid);
  const deadline = performance.now() + READY_LIMIT_MS;
  while (!(end === undefined && (await isReady()))) {
    if (end === undefined && performance.now() <= deadline) {
      await delay(POLL_MS);
      continue;
    }
    killServer(server.directory);
    throw new Error(`LocalStack ${end ?? 'was not ready in time'}\n${await endOfLog(server.directory)}`);
  }
}

/**
 * The directory comes as an argument, which LocalStack ignores, because that is how its process is told apart. The end of its
 * standard input tells it that this process is gone.
 */
function spawnServer({ python, directory, environment }: Server): ChildProcess {
  const log = openSync(join(directory, LOG), 'a');
  const child = spawn(python, ['-m', 'localstack.runtime.main', directory], {
    cwd: directory,
    env: environment,
    stdio: ['pipe', log, log],
    detached: true,
  });
  closeSync(log);
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}

/** Everything that LocalStack and the functions' executor have logged; '' before it has begun. */
export const logOf = (directory: string): Promise<string> => readFile(join(directory, LOG), 'utf8').catch(() => '');

const endOfLog = async (directory: string): Promise<string> =>
  (await logOf(directory)).trim().split('\n').slice(-25).join('\n');

/**
 * Kills LocalStack and the functions that it runs, and waits without letting go of this thread, for the end of this process:
 * its folder is deleted next.
 */
export function killServer(directory: string): void {
  const pid = runningPid(directory);
  if (pid === null) return;
  const functions = childrenOf(pid);
  process.kill(pid, 'SIGKILL');
  for (const leader of functions) killGroup(leader);
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + KILL_LIMIT_MS;
  while ([pid, ...functions].some(isAlive) && performance.now() < deadline) Atomics.wait(clock, 0, 0, 10);
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended by itself
  }
}

/** Resident memory of LocalStack without its functions, where the system tells it (Linux). */
export function residentBytesOf(directory: string): number | undefined {
  const pid = runningPid(directory);
  if (pid === null || process.platform !== 'linux') return undefined;
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
