import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buildOnce, ROOT } from '../../connector/build/build-once.ts';
import { lastLines, outputOf } from '../../connector/build/output.ts';
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

const LOCK = 'local/localstack/requirements.txt';

/**
 * Fetches LocalStack, once for each state of the lock and each Python: pip brings everything, by hashes, into `.cache/`.
 * Rejects with pip's own last lines when it fails.
 */
export async function localStackSoftware({
  onProgress = () => undefined,
}: SoftwareOptions = {}): Promise<LocalStackSoftware> {
  const python = await findPython();
  if ('missing' in python) throw new PythonMissing(python.missing, python.hint);
  const directory = await buildOnce({
    name: 'localstack',
    inputs: [LOCK],
    // A virtual environment is bound to the Python that made it.
    with: `${python.program}\0${python.version}\0`,
    build: (making) => install(making, python, onProgress),
  });
  return { python: pythonIn(directory) };
}

const pythonIn = (directory: string): string => join(directory, 'bin', 'python');

/** Only the scripts in `bin` know the path that they were made at, which is not where they end up; none of them is used. */
async function install(directory: string, python: Python, onProgress: (line: string) => void): Promise<void> {
  onProgress('fetching LocalStack with pip, once');
  await runPython(python.program, ['-m', 'venv', directory]);
  const pip = ['-m', 'pip', 'install', '--no-input', '--quiet', '--disable-pip-version-check'];
  const lock = ['--require-hashes', '--requirement', join(ROOT, LOCK)];
  await runPython(pythonIn(directory), [...pip, '--no-deps', '--use-pep517', ...lock]);
}

/** Isolated (`-I`) from PYTHONPATH and the like, but not from what this machine tells pip in PIP_… or pip.conf. */
async function runPython(python: string, args: readonly string[]): Promise<void> {
  const child = spawn(python, ['-I', ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const forget = onCleanup({ kill: () => void (child.pid !== undefined && process.kill(-child.pid, 'SIGKILL')) });
  const { code, output } = await outputOf(child).finally(forget);
  if (code !== 0)
    throw new Error(
      `${python} ${args.slice(0, 2).join(' ')} failed\n${lastLines(output)}\nIs a Python package index within reach? pip.conf or PIP_INDEX_URL names another one.`,
    );
}
