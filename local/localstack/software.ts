import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onCleanup } from '../process/cleanup.ts';
import { findPython, type Python } from './python.ts';

/** LocalStack and all that it needs, ready to be started. */
export type LocalStackSoftware = {
  /** The Python that finds them. */
  readonly python: string;
};

export type SoftwareOptions = {
  /** Told what is going on while it takes longer than a moment. */
  readonly onProgress?: (line: string) => void;
};

/** Python is missing: the message says which, the hint is the line that installs it. */
export class PythonMissing extends Error {
  readonly hint: string;

  constructor(missing: string, hint: string) {
    super(`LocalStack on this machine needs ${missing}`);
    this.name = 'PythonMissing';
    this.hint = hint;
  }
}

const CACHE = fileURLToPath(new URL('../../.cache/localstack', import.meta.url));
const LOCK = fileURLToPath(new URL('requirements.txt', import.meta.url));
const LAST_LINES = 15;

/**
 * Fetches LocalStack, once for each state of the lock and each Python: pip brings everything, by hashes, into `.cache/`.
 * Rejects with pip's own last lines when it fails.
 */
export async function localStackSoftware({
  onProgress = () => undefined,
}: SoftwareOptions = {}): Promise<LocalStackSoftware> {
  const python = await findPython();
  if ('missing' in python) throw new PythonMissing(python.missing, python.hint);
  const directory = join(CACHE, await digestOf(python));
  if (!existsSync(directory)) await install(directory, python, onProgress);
  return { python: pythonIn(directory) };
}

const pythonIn = (directory: string): string => join(directory, 'bin', 'python');

/** A virtual environment is bound to the Python that made it. */
async function digestOf({ program, version }: Python): Promise<string> {
  const digest = createHash('sha256')
    .update(`${program}\0${version}\0`)
    .update(await readFile(LOCK));
  return digest.digest('hex').slice(0, 16);
}

/**
 * Installs beside the final place and renames: nobody sees half of it, and of two processes one wins. Only the scripts in
 * `bin` know the path that they were made at, and none of them is used.
 */
async function install(directory: string, python: Python, onProgress: (line: string) => void): Promise<void> {
  const making = `${directory}.${process.pid}`;
  await mkdir(CACHE, { recursive: true });
  try {
    onProgress('fetching LocalStack with pip, once');
    await runPython(python.program, ['-m', 'venv', making]);
    const pip = ['-m', 'pip', 'install', '--no-input', '--quiet', '--disable-pip-version-check'];
    await runPython(pythonIn(making), [...pip, '--no-deps', '--use-pep517', '--require-hashes', '--requirement', LOCK]);
    await rename(making, directory).catch((error) => {
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

/** Isolated (`-I`) from PYTHONPATH and the like, but not from what this machine tells pip in PIP_… or pip.conf. */
async function runPython(python: string, args: readonly string[]): Promise<void> {
  const child = spawn(python, ['-I', ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const forget = onCleanup({ kill: () => void (child.pid !== undefined && process.kill(-child.pid, 'SIGKILL')) });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  const code = await promise.finally(forget);
  if (code !== 0)
    throw new Error(
      `${python} ${args.slice(0, 2).join(' ')} failed\n${output.trim().split('\n').slice(-LAST_LINES).join('\n')}\nIs a Python package index within reach? pip.conf or PIP_INDEX_URL names another one.`,
    );
}
