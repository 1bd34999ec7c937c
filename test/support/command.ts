import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';

const CONCORD = new URL('../../cli/concord.js', import.meta.url).pathname;

/** Commands that have not ended: those of a test that failed would keep its file alive. */
const unended = new Set<ChildProcess>();

/** A folder of its own for everything that commands leave in the temporary folder; deleted, with what runs there, at the end of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'concord-test-'));
  chmodSync(folder, 0o755); // servers run as another user when this process is root
  after(() => {
    for (const child of unended) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A running `concord`. */
export type RunningCommand = {
  readonly child: ChildProcess;
  /** The JSON lines printed so far. */
  readonly lines: readonly Record<string, unknown>[];
  /** Resolves to the first line, of those printed and those to come, that satisfies the test; rejects when there is none. */
  readonly line: (test: (line: Record<string, unknown>) => boolean) => Promise<Record<string, unknown>>;
  /** Resolves to the exit code, or the signal. */
  readonly ended: Promise<number | string | null>;
  readonly stderr: () => string;
};

/** Starts `concord … --json` with its temporary files in `folder`. */
export function startConcord(folder: string, ...args: string[]): RunningCommand {
  const child = spawn(process.execPath, [CONCORD, ...args, '--json'], {
    env: { TMPDIR: folder, PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: Record<string, unknown>[] = [];
  let stderr = '';
  let tell = Promise.withResolvers<void>();
  let isOver = false;
  const news = (): void => {
    tell.resolve();
    tell = Promise.withResolvers();
  };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  createInterface(child.stdout).on('line', (line) => {
    lines.push(JSON.parse(line));
    news();
  });
  unended.add(child);
  const ended = once(child, 'close').then(([code, signal]) => {
    unended.delete(child);
    isOver = true;
    news();
    return code ?? signal;
  });
  const line: RunningCommand['line'] = async (test) => {
    for (;;) {
      const found = lines.find(test);
      if (found !== undefined) return found;
      if (isOver) throw new Error(`concord ${args.join(' ')} ended: ${stderr}`);
      await tell.promise;
    }
  };
  return { child, lines, line, ended, stderr: () => stderr };
}

/** The command lines of all processes that mention a folder (Linux; empty elsewhere). */
export function processesIn(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const commandLine = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') : '';
      return commandLine.includes(folder) ? [commandLine] : [];
    } catch {
      return [];
    }
  });
}
