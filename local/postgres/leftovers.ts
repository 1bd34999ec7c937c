import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runningPid } from '../process/pid-file.ts';
import { isAlive, processEntry } from '../process/process-table.ts';
import { isOwnUid, type Owner, parseOwner, removeForeignRunDirectory } from '../process/run-directory.ts';
import { temporaryDirectory } from '../process/server-user.ts';
import { type PostmasterFile, runningPostmaster } from './postmaster-file.ts';
import { signal } from './server.ts';

const STOP_LIMIT_MS = 10_000;
const POLL_MS = 10;

/** A run directory whose owner ended without cleaning up, and the PostgreSQL servers that still run in it. */
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

const foldersIn = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(directory, name));

const postmastersIn = (directory: string): PostmasterFile[] =>
  foldersIn(directory).flatMap((folder) => runningPostmaster(folder) ?? []);

/** Kafka and Connect, by their pid files. Where no command line can be read, a pid may have become somebody else's. */
const programsIn = (directory: string): number[] =>
  foldersIn(directory)
    .flatMap((folder) => runningPid(folder) ?? [])
    .filter((pid) => processEntry(pid) !== null);

async function remove(leftover: Leftover): Promise<Removal> {
  try {
    await Promise.all([...leftover.postmasters.map(stop), ...programsIn(leftover.directory).map(kill)]);
    await removeForeignRunDirectory(leftover.directory);
    return { leftover, problem: null };
  } catch (error) {
    return { leftover, problem: (error as Error).message };
  }
}

function stop({ pid, dataDir }: PostmasterFile): Promise<void> {
  signal(pid, 'SIGQUIT');
  return ended(() => runningPostmaster(dataDir)?.pid === pid, `PostgreSQL ${pid} on ${dataDir}`);
}

function kill(pid: number): Promise<void> {
  signal(pid, 'SIGKILL');
  return ended(() => isAlive(pid), `process ${pid}`);
}

async function ended(isRunning: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + STOP_LIMIT_MS;
  while (isRunning()) {
    if (performance.now() > deadline) throw new Error(`${what} does not stop`);
    await delay(POLL_MS);
  }
}
