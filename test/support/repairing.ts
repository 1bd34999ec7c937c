import { contentOf, type RepairAnswer, type RepairVersion } from '@concord/events';
import { repair } from '../../functions/repair/repair.ts';
import type { Region } from './regions.ts';
import { storedVersions } from './stored-events.ts';

/** Does something behind Concord's back: no trigger fires, nothing is stamped or published. */
export async function damage({ sql }: Region, text: string): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe('set local session_replication_role = replica');
    await tx.unsafe(text);
  });
}

/** Repairs a region with these versions, through its own apply function; `key` is the table's key column. */
export const sendRepair = (
  to: Region,
  table: string,
  versions: readonly RepairVersion[],
  key = 'id',
): Promise<RepairAnswer> =>
  repair(
    { run: 'run-1', table, key: [key], versions: [...versions], versionsPerSecond: 1_000_000 },
    // Through JSON, as an invocation goes.
    { apply: (event) => to.apply(JSON.parse(JSON.stringify(event))) },
  );

/** The versions as they are to be written over what a region has of the same keys. */
export async function insteadOfStored(
  to: Region,
  table: string,
  versions: readonly RepairVersion[],
  key = 'id',
): Promise<RepairVersion[]> {
  const there = await storedVersions(to.sql, table);
  return versions.map((version) => {
    const found = there.find(({ event }) => event[key] === version.event[key]);
    if (found === undefined) throw new Error(`${to.name} has nothing of ${version.event[key]}`);
    return { ...version, insteadOf: contentOf(found.event) };
  });
}
