import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, startChild } from '../process/children.ts';
import { childrenOf, isAlive } from '../process/process-table.ts';
import { serverUser } from '../process/server-user.ts';
import type { Binaries } from './binaries.ts';
import { readPostmasterFile } from './postmaster-file.ts';
import { type Settings, settingArguments } from './settings.ts';

const READY_LIMIT_MS = 30_000;
/** A logical receiver that stays connected without reading holds up a fast stop for ever. */
const FAST_STOP_LIMIT_MS = 10_000;
const POLL_MS = 5;

/** `fast` rolls back open transactions and writes a checkpoint; `immediate` is a crash that leaves no process behind. */
export type StopMode = 'fast' | 'immediate';

/** What one start of a server needs. `dataDir` must be below the run directory. */
export interface ServerSpec {
  readonly binaries: Binaries;
  readonly dataDir: string;
  readonly logFile: string;
  readonly port: number;
  readonly settings: Settings;
}

/** One postmaster from its start to its end; a restarted cluster has a new one. */
export interface Server {
  readonly spec: ServerSpec;
  readonly child: Child;
  readonly pid: number;
}

export type StartResult = { readonly kind: 'ready'; readonly server: Server } | { readonly kind: 'port_taken' };

/**
 * Starts a server and waits, at most 30 s, until it says that it accepts connections. `started` is told of the process
 * before the wait, so that it can be stopped meanwhile.
 *
 * @throws Error with the end of the log when the server ends or is not ready in time
 */
export async function startServer(spec: ServerSpec, started: (server: Server) => void): Promise<StartResult> {
  const log = openSync(spec.logFile, 'a');
  const logStart = fstatSync(log).size;
  const args = ['-D', spec.dataDir, '-p', String(spec.port), ...settingArguments(spec.settings)];
  const child = startChild(spec.binaries.postgres, args, ['ignore', log, log]);
  closeSync(log);
  const { pid } = child.process;
  if (pid === undefined) throw await notStarted(spec, child);
  const server: Server = { spec, child, pid };
  started(server);
  if (await becomesReady(server)) return { kind: 'ready', server };
  const text = readFileSync(spec.logFile).subarray(logStart).toString('utf8');
  // The hint comes with "address in use" and nothing else, and unlike that message it is PostgreSQL's own on any system.
  if (text.includes('Is another postmaster already running on port')) return { kind: 'port_taken' };
  throw new Error(`PostgreSQL on ${spec.dataDir} did not start: ${child.end}\n${text.slice(-2000)}`);
}

async function notStarted({ binaries }: ServerSpec, child: Child): Promise<Error> {
  await child.exited;
  return new Error(`${binaries.postgres} could not be started: ${child.end}`);
}

async function becomesReady(server: Server): Promise<boolean> {
  const deadline = performance.now() + READY_LIMIT_MS;
  while (server.child.end === null) {
    const file = readPostmasterFile(server.spec.dataDir);
    if (file?.pid === server.pid && file.isReady) return true;
    if (performance.now() > deadline) await stopServer(server, 'immediate');
    else await delay(POLL_MS);
  }
  return false;
}

/** Stops a server and waits for its end. A fast stop that takes more than 10 s becomes an immediate one. */
export async function stopServer(server: Server, mode: StopMode): Promise<void> {
  if (server.child.end !== null) return;
  server.child.process.ref();
  if (mode === 'fast') {
    signalServer(server, 'SIGINT');
    await Promise.race([server.child.exited, delay(FAST_STOP_LIMIT_MS, undefined, { ref: false })]);
  }
  signalServer(server, 'SIGQUIT');
  await server.child.exited;
}

/**
 * SIGKILL to the postmaster and all its backends at once: nothing commits after this. Resolves when all are gone, so
 * that the data directory can be started again.
 */
export async function killServer(server: Server): Promise<void> {
  if (server.child.end !== null) return;
  server.child.process.ref();
  // Stopped first, so that no backend is forked between the look and the kill.
  if (process.platform !== 'win32') process.kill(server.pid, 'SIGSTOP');
  const backends = childrenOf(server.pid);
  signalServer(server, 'SIGKILL');
  for (const pid of backends) signal(pid, 'SIGKILL');
  await server.child.exited;
  while (backends.some(isAlive)) await delay(POLL_MS);
  freeSharedMemory(server.spec.dataDir);
}

/** The system keeps a killed server's 56 bytes for ever, unless it is started once more. Fails silently: it is only litter. */
function freeSharedMemory(dataDir: string): void {
  const id = readPostmasterFile(dataDir)?.sharedMemoryId ?? null;
  if (id !== null) spawnSync('ipcrm', ['-m', String(id)], { ...serverUser, cwd: '/', stdio: 'ignore' });
}

/** The same as an immediate stop, for the moment when nothing can be awaited any more. */
export function stopServersNow(servers: Iterable<Server>): void {
  const running = [...servers].filter(({ child }) => child.end === null);
  for (const server of running) signalServer(server, 'SIGQUIT');
  // PostgreSQL itself kills what has not ended 5 s after SIGQUIT.
  const deadline = performance.now() + 6_000;
  while (running.some(({ pid }) => isAlive(pid)) && performance.now() < deadline) sleepNow(POLL_MS);
  for (const server of running) if (isAlive(server.pid)) signalServer(server, 'SIGKILL');
}

function sleepNow(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function signalServer({ child, pid, spec }: Server, name: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): void {
  if (child.end !== null) return;
  if (process.platform !== 'win32') signal(pid, name);
  // Windows has no signals; PostgreSQL brings its own there.
  else spawnSync(spec.binaries.pgCtl, ['kill', name.slice('SIG'.length), String(pid)]);
}

/** Sends a signal; a process that has ended meanwhile is fine. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
