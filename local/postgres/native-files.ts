import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { temporaryDirectory } from '../process/server-user.ts';

/**
 * Creates the library links that npm packages cannot carry, where the package's install script was not allowed to.
 * `directory` is the platform package. Returns false when links are missing and the folder cannot be written.
 */
export function linkLibraries(directory: string): boolean {
  try {
    for (const { source, target } of missingLinks(directory)) {
      symlinkSync(relative(dirname(target), source), join(directory, target));
    }
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Another process has just made one: look again.
    if (code === 'EEXIST') return linkLibraries(directory);
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return false;
    throw error;
  }
}

function missingLinks(directory: string): { source: string; target: string }[] {
  const list = join(directory, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'));
  // lstat: a link that leads nowhere is there, too.
  return links.filter(({ target }) => lstatSync(join(directory, target), { throwIfNoEntry: false }) === undefined);
}

/**
 * Copies a platform package's programs to where every user can run them, once per `key` and user; returns the folder
 * that holds `native`. Processes that copy at the same time do not disturb each other.
 */
export function copyForServerUser(directory: string, key: string): string {
  const destination = join(temporaryDirectory(), `concord-postgresql-${key}-${process.getuid?.() ?? ''}`);
  if (!existsSync(destination)) {
    const draft = mkdtempSync(`${destination}-`);
    cpSync(join(directory, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    linkLibraries(draft);
    openToOthers(draft);
    publish(draft, destination);
  }
  refuseForeign(destination);
  return destination;
}

function openToOthers(root: string): void {
  chmodSync(root, 0o755);
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const isProgram = entry.isDirectory() || entry.parentPath.endsWith('bin');
    chmodSync(path, isProgram ? 0o755 : 0o644);
  }
}

function publish(draft: string, destination: string): void {
  try {
    renameSync(draft, destination);
  } catch (error) {
    rmSync(draft, { recursive: true });
    // Another process was faster; its copy is as good.
    if (!existsSync(destination)) throw error;
  }
}

/** Anybody may create names in the temporary folder: programs of another user are not run. */
function refuseForeign(destination: string): void {
  const { uid, mode } = lstatSync(destination);
  const isForeign = process.getuid !== undefined && (uid !== process.getuid() || (mode & 0o022) !== 0);
  if (isForeign)
    throw new Error(`${destination} belongs to another user or is open to others: remove it and try again.`);
}
