import { constants } from 'node:os';

/** Something that must not outlive this process. */
export interface Cleanup {
  /** Ends it in order, after the first SIGINT, SIGTERM or SIGHUP, while everything else still runs. */
  stop?(): Promise<void>;
  /**
   * Ends it at once and synchronously, as the last thing this process does, whatever ends it. Nothing happens when the
   * thing is gone already.
   */
  kill(): void;
}

/** `npm run` passes on the SIGINT that the terminal has sent already: what comes so soon is not a second Ctrl-C. */
const SAME_SIGNAL_MS = 300;

const cleanups: Cleanup[] = [];
let installed = false;
let stoppingSinceMs: number | null = null;

/**
 * Registers `cleanup` for the end of this process; the last registered runs first. Returns the function that takes it
 * back. The first signal calls every `stop`, then every `kill`, and exits with 128 + signal; a second one goes on to
 * `kill` at once. After an uncaught exception, with Node's own report and exit code, or a normal end only `kill` is called.
 */
export function onCleanup(cleanup: Cleanup): () => void {
  install();
  cleanups.push(cleanup);
  return () => {
    const index = cleanups.indexOf(cleanup);
    if (index >= 0) cleanups.splice(index, 1);
  };
}

function install(): void {
  if (installed) return;
  installed = true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void onSignal(signal));
  // Not 'uncaughtException': a listener there would swallow the error, and 'exit' follows an uncaught one anyway.
  process.on('exit', killAll);
}

async function onSignal(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): Promise<void> {
  if (stoppingSinceMs === null) {
    stoppingSinceMs = performance.now();
    await stopAll();
  } else if (performance.now() - stoppingSinceMs < SAME_SIGNAL_MS) {
    return;
  }
  process.exit(128 + constants.signals[signal]);
}

async function stopAll(): Promise<void> {
  for (const cleanup of cleanups.toReversed()) {
    // What cannot be stopped is killed.
    await cleanup.stop?.().catch(() => {});
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
