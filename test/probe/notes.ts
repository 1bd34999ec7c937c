import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FoundLeftovers } from './leftovers.ts';
import type { Notes } from './tear-down.ts';

const FOLDER = join(import.meta.dirname, '../../.cache/probe');
const NOTHING: FoundLeftovers = { leftovers: [], unknown: [] };

type File = { readonly runId: string; readonly found: FoundLeftovers };

const pathOf = (account: string, region: string): string => join(FOLDER, `${account}-${region}.json`);

const read = (path: string): File | undefined =>
  existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as File) : undefined;

/** The run whose notes are here, where there are some. */
export const notedRun = (account: string, region: string): string | undefined => read(pathOf(account, region))?.runId;

/** A file per account and region, gone once nothing is noted. */
export function notesFile(account: string, region: string, runId: string): Notes {
  const path = pathOf(account, region);
  return {
    read: () => read(path)?.found ?? NOTHING,
    write: (found) => {
      if (found.leftovers.length === 0 && found.unknown.length === 0) return rmSync(path, { force: true });
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${JSON.stringify({ runId, found } satisfies File, null, 2)}\n`);
    },
  };
}
