import { childrenOf, processEntry } from '../local/process/process-table.ts';

/** More than any test, and any file, takes on a slow machine. */
export const TEST_LIMIT_MS = 10 * 60_000;
const FILE_LIMIT_MS = 15 * 60_000;
const LOOK_MS = 5000;
/** For stopping what the file has started. */
const GOODBYE_MS = 20_000;

/**
 * Ends the processes of test files that run for too long, which the runner then reports as failed: its own limit fails the test
 * that hangs, but goes on waiting for the file. Returns the function that ends the watch.
 */
export function watchFiles(limitMs = FILE_LIMIT_MS, lookMs = LOOK_MS): () => void {
  const firstSeenMs = new Map<number, number>();
  const look = (): void => {
    const now = performance.now();
    for (const pid of testProcesses()) {
      const seenMs = now - (firstSeenMs.get(pid) ?? firstSeenMs.set(pid, now).get(pid)!);
      if (seenMs > limitMs) end(pid, seenMs > limitMs + GOODBYE_MS ? 'SIGKILL' : 'SIGTERM');
    }
  };
  const timer = setInterval(look, lookMs);
  return () => clearInterval(timer);
}

const testProcesses = (): number[] =>
  childrenOf(process.pid).filter((pid) => processEntry(pid)?.commandLine.includes('.test.ts'));

function end(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  const file = processEntry(pid)?.commandLine.split(' ').at(-1);
  process.stdout.write(`${signal} to ${file}: it runs for too long\n`);
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just ended
  }
}
