import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { glob, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(ROOT, '.cache');

export type BuildOnce = {
  /** Of the folder in the cache: `plugin` gives `.cache/plugin-<digest>`. */
  readonly name: string;
  /** Patterns from the root: all files that the result is made from. */
  readonly inputs: readonly string[];
  /** What else the result depends on, as a program that it is bound to. */
  readonly with?: string;
  /** Makes everything in `directory`. */
  readonly build: (directory: string) => Promise<void>;
};

/** The absolute folder of what `build` made from these inputs, once for each state of them. */
export async function buildOnce({ name, inputs, with: also = '', build }: BuildOnce): Promise<string> {
  const directory = join(CACHE, `${name}-${await digestOf(inputs, also)}`);
  if (!existsSync(directory)) await buildInto(directory, build);
  return directory;
}

async function digestOf(inputs: readonly string[], also: string): Promise<string> {
  const paths: string[] = [];
  for await (const entry of glob(inputs, { cwd: ROOT, withFileTypes: true }))
    if (entry.isFile()) paths.push(join(entry.parentPath, entry.name));
  const digest = createHash('sha256').update(also);
  for (const path of paths.sort())
    digest
      .update(path.slice(ROOT.length))
      .update('\0')
      .update(await readFile(path));
  return digest.digest('hex').slice(0, 16);
}

/** Builds beside the final place and renames: nobody sees half of it, and of two processes one wins. */
async function buildInto(directory: string, build: BuildOnce['build']): Promise<void> {
  const making = `${directory}.${process.pid}`;
  await mkdir(making, { recursive: true });
  try {
    await build(making);
    await rename(making, directory).catch((error) => {
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}
