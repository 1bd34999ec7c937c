import { readFileSync } from 'node:fs';
import type { FunctionProcess } from './child-process.ts';
import { FunctionError } from './invocation.ts';

const POLL_MS = 5;

/**
 * The most that a process has ever held, MB, or undefined where the kernel does not say. What it shares with others counts, as on
 * Lambda: some 50 MB of it is Node's own program.
 */
export function peakMemoryMb(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    return undefined; // it is gone
  }
}

const outOfMemory = (): FunctionError =>
  new FunctionError('Runtime.OutOfMemory', 'Runtime exited with error: signal: killed');

/**
 * Kills a process that holds too much, as Lambda does even where V8's own limit is not met: buffers are none of its heap. Returns
 * what throws after an answer that came before the process could be killed.
 */
export function limitMemory(child: FunctionProcess, limitMb: number): () => Promise<void> {
  const isExceeded = (): boolean => child.pid !== undefined && (peakMemoryMb(child.pid) ?? 0) > limitMb;
  const timer = setInterval(() => {
    if (isExceeded()) child.kill(outOfMemory());
  }, POLL_MS);
  void child.exited.then(() => clearInterval(timer));
  return async () => {
    if (!isExceeded()) return;
    child.kill();
    await child.exited;
    throw outOfMemory();
  };
}
