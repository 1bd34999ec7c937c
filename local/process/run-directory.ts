import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onCleanup } from './cleanup.ts';
import { processEntry } from './process-table.ts';
import { serverUid, serverUser, temporaryDirectory } from './server-user.ts';

/** The process that made a run directory. `startedAt` tells it from a later process of the same pid; '' when unknown. */
export interface Owner {
  readonly pid: number;
  readonly startedAt: string;
}

// Deleting races with the last files of a server that was stopped a moment ago: "directory not empty".
const REMOVE = { recursive: true, force: true, maxRetries: 20, retryDelay: 25 } as const;

let current: string | null = null;

/**
 * This process's own folder under the system's temporary one, made at the first call and removed when the process ends.
 * Its name, `concord-<pid>-<start time>-<random>`, says who owns it, so no moment exists at which it has no owner.
 */
export function runDirectory(): string {
  if (current !== null && existsSync(current)) return current;
  const isFirst = current === null;
  const startedAt = processEntry(process.pid)?.startedAt ?? '';
  current = mkdtempSync(join(temporaryDirectory(), `concord-${process.pid}-${startedAt}-`));
  if (serverUser.uid !== undefined) chownSync(current, serverUser.uid, serverUser.gid);
  // Registered before any server, so it runs after every server's own cleanup.
  if (isFirst) onCleanup({ kill: removeRunDirectory });
  return current;
}

/** Removes this process's folder. The clusters in it must have been stopped. */
export function removeRunDirectory(): void {
  if (current !== null) rmSync(current, REMOVE);
}

/** Removes another process's folder, for leftovers. */
export async function removeForeignRunDirectory(directory: string): Promise<void> {
  await rm(directory, REMOVE);
}

/** Reads the owner out of a folder's name; null for any other name. */
export function parseOwner(folderName: string): Owner | null {
  const parts = /^concord-(\d+)-(\d*)-[A-Za-z0-9]{6}$/.exec(folderName);
  return parts === null ? null : { pid: Number(parts[1]), startedAt: parts[2]! };
}

/** True when a folder with this owner uid was made by the same user as this process. */
export function isOwnUid(uid: number): boolean {
  return serverUid === null || uid === serverUid;
}
