import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, processEntry } from '../process/process-table.ts';
import { isOwnUid, type Owner, parseOwner, removeForeignRunDirectory } from '../process/run-directory.ts';
import { temporaryDirectory } from '../process/server-user.ts';
import { type PostmasterFile, runningPostmaster } from './postmaster-file.ts';
import { signal } from './server.ts';

const STOP_LIMIT_MS = 10_000;
const POLL_MS = 10;

/** A run directory whose owner ended without cleaning up, and the servers that still run in it. */
export interface Leftover {
  readonly directory: string;
  readonly ownerPid: number;
  readonly postmasters: readonly PostmasterFile[];
}

/** What became of a leftover: its servers were stopped and its folder removed, or why not. */
export interface Removal {
  readonly leftover: Leftover;
  readonly problem: string | null;
}

/** Looks for what earlier processes of this user left in the temporary folder. */
export function findLeftovers(base: string = temporaryDirectory()): Leftover[] {
  return readdirSync(base).flatMap((name): Leftover[] => {
    const owner = parseOwner(name);
    const directory = join(base, name);
    if (owner === null || !isOwnDirectory(directory) || isStillOwned(owner)) return [];
    return [{ directory, ownerPid: owner.pid, postmasters: postmastersIn(directory) }];
  });
}

/** Stops the servers of all leftovers, removes their folders, and says what it did. */
export async function removeLeftovers(base: string = temporaryDirectory()): Promise<Removal[]> {
  return Promise.all(findLeftovers(base).map(remove));
}

function isOwnDirectory(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && isOwnUid(stat.uid);
}

function isStillOwned({ pid, startedAt }: Owner): boolean {
  if (!isAlive(pid)) return false;
  const now = processEntry(pid)?.startedAt;
  // Where a start time is missing on either side, the pid alone has to do.
  return startedAt === '' || now === undefined || now === startedAt;
}

function postmastersIn(directory: string): PostmasterFile[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => runningPostmaster(join(directory, entry.name)) ?? []);
}

async function remove(leftover: Leftover): Promise<Removal> {
  try {
    await Promise.all(leftover.postmasters.map(stop));
    await removeForeignRunDirectory(leftover.directory);
    return { leftover, problem: null };
  } catch (error) {
    return { leftover, problem: (error as Error).message };
  }
}

async function stop({ pid, dataDir }: PostmasterFile): Promise<void> {
  const deadline = performance.now() + STOP_LIMIT_MS;
  signal(pid, 'SIGQUIT');
  while (runningPostmaster(dataDir)?.pid === pid) {
    if (performance.now() > deadline) throw new Error(`PostgreSQL ${pid} on ${dataDir} does not stop`);
    await delay(POLL_MS);
  }
}
