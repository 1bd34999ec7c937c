import { constants } from 'node:os';

/** Something that must not outlive this process. Both functions may be called after the thing is gone. */
export interface Cleanup {
  /** Ends it in order; awaited after the first SIGINT, SIGTERM or SIGHUP. */
  stop(): Promise<void>;
  /** Ends it at once and synchronously: at process exit, after an uncaught exception, after a second signal. */
  kill(): void;
}

const cleanups: Cleanup[] = [];
let installed = false;
let stopping = false;

/**
 * Registers `cleanup` for the end of this process; the last registered runs first. Returns the function that takes it
 * back. The first signal stops everything and exits with 128 + signal; a second one exits at once. An uncaught
 * exception keeps Node's own report and exit code.
 */
export function onCleanup(cleanup: Cleanup): () => void {
  install();
  cleanups.push(cleanup);
  return () => {
    const index = cleanups.indexOf(cleanup);
    if (index >= 0) cleanups.splice(index, 1);
  };
}

/**
 * Resolves at once, or never when a signal is ending this process: then no new server may start, and work that the
 * cleanup cut short must not be reported as a failure.
 */
export function unlessStopping(): Promise<void> {
  return stopping ? new Promise(() => {}) : Promise.resolve();
}

function install(): void {
  if (installed) return;
  installed = true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void onSignal(signal));
  // Not 'uncaughtException': a listener there would swallow the error, and 'exit' follows an uncaught one anyway.
  process.on('exit', killAll);
}

async function onSignal(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): Promise<void> {
  const exitCode = 128 + constants.signals[signal];
  if (!stopping) {
    stopping = true;
    await stopAll();
  }
  process.exit(exitCode);
}

async function stopAll(): Promise<void> {
  for (const cleanup of cleanups.toReversed()) {
    // What cannot be stopped stays registered, and is killed at exit.
    await cleanup.stop().catch(() => {});
  }
}

function killAll(): void {
  const errors: unknown[] = [];
  for (const cleanup of cleanups.toReversed()) {
    try {
      cleanup.kill();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
