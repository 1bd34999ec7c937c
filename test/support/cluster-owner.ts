import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { removeLeftovers } from '../../local/postgres/leftovers.ts';

/** JavaScript that keeps a process running. */
export const WAIT = 'setInterval(() => {}, 60_000);';

/** A child process with a running cluster. */
export interface Owner {
  readonly child: ChildProcess;
  readonly postmaster: number;
  /** Its run directory. */
  readonly directory: string;
  /** Exit code and signal. */
  readonly ended: Promise<unknown[]>;
  /** What it prints from now on. */
  readonly lines: AsyncIterator<string>;
  stderr(): string;
}

const local = new URL('../../local/', import.meta.url);

/**
 * Starts a process with the temporary folder `base`, which starts a cluster and then runs `program`. Call it inside a
 * test: what a failed test leaves of it is removed.
 */
export async function startOwner(base: string, program: string): Promise<Owner> {
  const source = `
    import { startCluster } from '${local}postgres/cluster.ts';
    import { onCleanup } from '${local}process/cleanup.ts';
    import { runDirectory } from '${local}process/run-directory.ts';
    const cluster = await startCluster({ template: null });
    console.log(JSON.stringify({ postmaster: cluster.pid, directory: runDirectory() }));
    ${program}`;
  const args = ['--input-type=module', '--eval', source];
  const child = spawn(process.execPath, args, { env: { TMPDIR: base }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  after(async () => {
    child.kill('SIGKILL');
    await ended;
    await removeLeftovers(base);
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) throw new Error(`the owner ended early: ${stderr}`);
  return { child, ended, lines, stderr: () => stderr, ...JSON.parse(first.value) };
}

/** Resolves when `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(2);
}
