import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, processEntry } from '../process/process-table.ts';

/** What a running PostgreSQL writes about itself into its data directory. */
export interface PostmasterFile {
  readonly pid: number;
  readonly dataDir: string;
  readonly port: number;
  readonly isReady: boolean;
  /** The System V segment that locks the data directory; null on Windows and before it is made. */
  readonly sharedMemoryId: number | null;
}

/** Reads `postmaster.pid`; null when there is none, or it is not written to the end yet. */
export function readPostmasterFile(dataDir: string): PostmasterFile | null {
  let lines: string[];
  try {
    lines = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const pid = Number(lines[0]);
  if (lines.length < 4 || !Number.isInteger(pid) || pid <= 0) return null;
  return {
    pid,
    dataDir: lines[1]!,
    port: Number(lines[3]),
    // Line 7 is key and id, line 8 the state (starting, stopping, ready, standby), both padded with spaces.
    sharedMemoryId: integerOrNull(/\d+\s+(\d+)/.exec(lines[6] ?? '')?.[1]),
    isReady: lines[7]?.trim() === 'ready',
  };
}

function integerOrNull(digits: string | undefined): number | null {
  return digits === undefined ? null : Number(digits);
}

/**
 * The PostgreSQL that really runs on `dataDir`, or null. After a crash the file may name a pid that has been given to
 * something else since, so the process must name this data directory on its command line.
 */
export function runningPostmaster(dataDir: string): PostmasterFile | null {
  const file = readPostmasterFile(dataDir);
  if (file === null || file.dataDir !== dataDir || !isAlive(file.pid)) return null;
  const commandLine = processEntry(file.pid)?.commandLine ?? '';
  return commandLine.includes(`postgres -D ${dataDir} `) ? file : null;
}
