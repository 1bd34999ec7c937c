import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, processEntry } from './process-table.ts';

const NAME = 'java.pid';

export const writePidFile = (directory: string, pid: number): void => writeFileSync(join(directory, NAME), String(pid));

/**
 * The process that a directory's pid file names, or null when it does not run. A process of the same number that was started
 * later by somebody else is told apart by its command line, which has to name the directory.
 */
export function runningPid(directory: string): number | null {
  let pid: number;
  try {
    pid = Number(readFileSync(join(directory, NAME), 'utf8'));
  } catch {
    return null;
  }
  if (!(pid > 0) || !isAlive(pid)) return null;
  const entry = processEntry(pid);
  return entry === null || entry.commandLine.includes(directory) ? pid : null;
}
