import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runningPid, writePidFile } from '../process/pid-file.ts';
import { isAlive } from '../process/process-table.ts';

/** A Java program that runs in a directory of its own, which keeps its log and its process id. */
export type JavaProgram = {
  readonly java: string;
  readonly classPath: string;
  readonly directory: string;
  readonly mainClass: string;
  readonly args: readonly string[];
  readonly maxHeapMb: number;
  readonly compiler: Compiler;
};

/** `quick` starts in half the time and does for tests and the demo; `peak` is what a measurement needs. */
export type Compiler = 'quick' | 'peak';

const POLL_MS = 20;
const READY_LIMIT_MS = 60_000;
const LOG = 'output.log';

const LOGGING = `
status = warn
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %-5p %c{1} %m%n%throwable{6}
rootLogger.level = warn
rootLogger.appenderRef.out.ref = OUT
logger.debezium.name = io.debezium
logger.debezium.level = info
`;

/** Small and quick to start: a serial collector, no more heap than needed, classes from the JDK's own archive. */
const jvmOptions = ({ directory, maxHeapMb, compiler }: JavaProgram): string[] => [
  '-Xms64m',
  `-Xmx${maxHeapMb}m`,
  '-XX:MaxMetaspaceSize=160m',
  '-XX:ReservedCodeCacheSize=64m',
  '-XX:+UseSerialGC',
  '-Xshare:auto',
  ...(compiler === 'quick' ? ['-XX:TieredStopAtLevel=1'] : []),
  `-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`,
  `-Dconcord.directory=${directory}`,
];

/**
 * Starts the program and waits until `isReady` says so. Throws an Error with the end of its log when it ends before, or is
 * not ready within a minute.
 */
export async function startJava(program: JavaProgram, isReady: () => Promise<boolean>): Promise<void> {
  const { directory } = program;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'log4j2.properties'), LOGGING);
  const log = openSync(join(directory, LOG), 'a');
  const logStart = statSync(join(directory, LOG)).size;
  const args = [...jvmOptions(program), '-cp', program.classPath, program.mainClass, ...program.args];
  const child = spawn(program.java, args, {
    cwd: directory,
    stdio: ['ignore', log, log],
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  closeSync(log);
  child.unref();
  let end: string | undefined;
  child.once('error', (error) => {
    end = error.message;
  });
  child.once('exit', (code, signal) => {
    end = signal ?? `exit code ${code}`;
  });
  if (child.pid !== undefined) writePidFile(directory, child.pid);
  const deadline = performance.now() + READY_LIMIT_MS;
  while (!(end === undefined && (await isReady()))) {
    if (end === undefined && performance.now() <= deadline) {
      await delay(POLL_MS);
      continue;
    }
    killJava(directory);
    const text = readFileSync(join(directory, LOG)).subarray(logStart).toString('utf8');
    throw new Error(`${program.mainClass} ${end ?? 'was not ready in time'}\n${lastLines(text)}`);
  }
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-25).join('\n');

/** The end of the program's log. */
export const logOf = async (directory: string): Promise<string> =>
  lastLines(await readFile(join(directory, LOG), 'utf8').catch(() => ''));

/** Sends a signal, if the program runs, and waits for its end. */
export async function endJava(directory: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const pid = runningPid(directory);
  if (pid === null) return;
  process.kill(pid, signal);
  while (isAlive(pid)) await delay(POLL_MS);
}

const KILL_LIMIT_MS = 2000;

/** Kills it and waits without letting go of this thread, for the end of this process: its folder is deleted next. */
export function killJava(directory: string): void {
  const pid = runningPid(directory);
  if (pid === null) return;
  process.kill(pid, 'SIGKILL');
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + KILL_LIMIT_MS;
  while (isAlive(pid) && performance.now() < deadline) Atomics.wait(clock, 0, 0, POLL_MS);
}

/** Resident memory, where the system tells it (Linux). */
export function residentBytesOf(directory: string): number | undefined {
  const pid = runningPid(directory);
  if (pid === null) return undefined;
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
