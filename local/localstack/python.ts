import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A Python that LocalStack runs on. `version` is complete: 3.11.2. */
export type Python = { readonly program: string; readonly version: string };
export type MissingPython = { readonly missing: string; readonly hint: string };

const PROGRAMS = ['python3.13', 'python3.12', 'python3.11', 'python3', 'python'];
/** Prints its own path and version; fails where LocalStack would not start or no virtual environment can be made. */
const PROBE = `import sys, venv, ensurepip
assert (3, 11) <= sys.version_info[:2] <= (3, 13)
print(sys.executable, '.'.join(map(str, sys.version_info[:3])), sep='\\n')`;
const run = promisify(execFile);

/** Looks on the PATH. The hint is the line that installs what is missing on this system. */
export async function findPython(): Promise<Python | MissingPython> {
  if (process.platform === 'win32')
    return { missing: 'Linux or macOS, which stop and continue processes', hint: 'wsl --install' };
  for (const name of PROGRAMS) {
    const found = await probe(name);
    if (found !== undefined) return found;
  }
  return { missing: 'Python 3.11 to 3.13 with venv', hint: hintFor(process.platform) };
}

async function probe(name: string): Promise<Python | undefined> {
  try {
    const { stdout } = await run(name, ['-I', '-c', PROBE]);
    const [program, version] = stdout.trim().split('\n');
    return program && version ? { program, version } : undefined;
  } catch {
    return undefined; // not there, too old, or (a pyenv shim) not chosen: the next one
  }
}

const hintFor = (platform: NodeJS.Platform): string =>
  platform === 'darwin' ? 'brew install python@3.13' : 'sudo apt-get install --yes python3 python3-venv';
