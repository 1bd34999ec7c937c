import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What the operating system says about one process. `startedAt` is opaque: equal for the same process, and only then. */
export interface ProcessEntry {
  readonly parentPid: number;
  readonly isZombie: boolean;
  readonly startedAt: string;
  readonly commandLine: string;
}

/**
 * One process as the operating system describes it, or null when there is none. On Windows, where nothing is at hand
 * to ask, always null: use `isAlive` there.
 */
export function processEntry(pid: number): ProcessEntry | null {
  if (process.platform === 'win32') return null;
  return process.platform === 'linux' ? entryFromProc(pid) : entryFromPs(pid);
}

/** True when `pid` runs; a zombie that its parent has not waited for yet does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return processEntry(pid)?.isZombie !== true;
}

/** The pids whose parent is `pid`; empty on Windows. */
export function childrenOf(pid: number): number[] {
  if (process.platform === 'win32') return [];
  return (process.platform === 'linux' ? parentsFromProc() : parentsFromPs())
    .filter(([, parentPid]) => parentPid === pid)
    .map(([child]) => child);
}

function entryFromProc(pid: number): ProcessEntry | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      parentPid: Number(fields[1]),
      isZombie: fields[0] === 'Z' || fields[0] === 'X',
      startedAt: fields[19] ?? '',
      commandLine: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
    };
  } catch {
    return null;
  }
}

function parentsFromProc(): [pid: number, parentPid: number][] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.flatMap((pid): [number, number][] => {
    const entry = entryFromProc(pid);
    return entry === null || entry.isZombie ? [] : [[pid, entry.parentPid]];
  });
}

/** The same from `ps` (macOS, BSD; Linux's procps answers alike). */
export function entryFromPs(pid: number): ProcessEntry | null {
  const row = ps(['-ww', '-o', 'ppid=,stat=,lstart=,command=', '-p', String(pid)])[0];
  // lstart is five words: Sat Nov 21 09:15:02 2026.
  const parts = /^\s*(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(row ?? '');
  if (parts === null) return null;
  const [, parentPid, state, startedAt, commandLine] = parts;
  return {
    parentPid: Number(parentPid),
    isZombie: state!.startsWith('Z'),
    startedAt: String(Date.parse(`${startedAt} UTC`) / 1000),
    commandLine: commandLine!,
  };
}

/** The pairs of process and parent from `ps`. */
export function parentsFromPs(): [pid: number, parentPid: number][] {
  return ps(['-axo', 'pid=,ppid=']).map((row) => {
    const [pid, parentPid] = row.trim().split(/\s+/).map(Number);
    return [pid!, parentPid!];
  });
}

function ps(args: string[]): string[] {
  try {
    // UTC, so that a process keeps its start time when the machine changes its time zone.
    const env = { LC_ALL: 'C', TZ: 'UTC', PATH: '/bin:/usr/bin' };
    const output = execFileSync('ps', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
    return output.split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
