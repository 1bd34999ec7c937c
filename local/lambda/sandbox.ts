import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runDirectory } from '../process/run-directory.ts';

export type SandboxContent = {
  /** The folder of a function as it is deployed. */
  readonly code: string;
  /** Folders of layers as they are deployed, each with a `nodejs/node_modules`. */
  readonly layers: readonly string[];
};

/** A function's code and layers away from this repository, whose `node_modules` Node would find otherwise. */
export type Sandbox = {
  /** On Lambda `/var/task`. */
  readonly taskRoot: string;
  /** Where `require` looks for packages: the layers, each by itself, and what comes with the runtime. */
  readonly nodePath: readonly string[];
  /** A new folder that a process may write into, on Lambda `/tmp`. */
  readonly temporaryFolder: () => string;
  readonly remove: () => void;
};

const PACKAGES = fileURLToPath(new URL('../../node_modules/', import.meta.url));
/** What Lambda's own `/var/runtime/node_modules` holds, but for its version. */
const FROM_RUNTIME = ['@aws-sdk', '@smithy'];

/** On Lambda `/var/runtime/node_modules`. */
function runtimePackages(folder: string): string {
  const packages = join(folder, 'runtime/node_modules');
  mkdirSync(packages, { recursive: true });
  for (const scope of FROM_RUNTIME) symlinkSync(join(PACKAGES, scope), join(packages, scope), 'junction');
  return packages;
}

export function createSandbox({ code, layers }: SandboxContent): Sandbox {
  const folder = mkdtempSync(join(runDirectory(), 'lambda-'));
  const taskRoot = join(folder, 'task');
  cpSync(code, taskRoot, { recursive: true });
  const opened = layers.map((layer, index) => {
    const opt = join(folder, `opt-${index}`);
    cpSync(layer, opt, { recursive: true });
    return join(opt, 'nodejs/node_modules');
  });
  return {
    taskRoot,
    nodePath: [...opened, runtimePackages(folder)],
    temporaryFolder: () => mkdtempSync(join(folder, 'tmp-')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
