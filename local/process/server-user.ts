import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';

/** `nobody` on Linux: PostgreSQL refuses root, and any uid without an account. */
const UNPRIVILEGED_ID = 65534;

const isRoot = process.getuid?.() === 0;

/** The identity that servers run as, for `spawn`: unprivileged when this process is root, else its own. */
export const serverUser: { readonly uid: number; readonly gid: number } | Record<string, never> = isRoot
  ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID }
  : {};

/** The uid that owns data directories, or null where files have none (Windows). */
export const serverUid: number | null = isRoot ? UNPRIVILEGED_ID : (process.getuid?.() ?? null);

/** The folder for temporary files that servers can reach: the system's, or `/tmp` when root's own is closed to others. */
export function temporaryDirectory(): string {
  const own = realpathSync(tmpdir());
  return isRoot && !isOpenToOthers(own) ? realpathSync('/tmp') : own;
}

function isOpenToOthers(directory: string): boolean {
  accessSync(directory, constants.W_OK);
  for (let path = directory; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
