import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The files of a folder: path → text. */
export type Content = ReadonlyMap<string, string>;

const DIGEST_LENGTH = 16;

export function digestOf(content: Content): string {
  const files = [...content].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, DIGEST_LENGTH);
}

/** Lambda runs as a user of its own: what others may not read it does not find, whatever this machine's umask. */
function write(folder: string, content: Content): void {
  for (const [path, text] of content) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, 0o644);
  }
  chmodSync(folder, 0o755);
}

/** Writes a folder named by its content, unless it is there. Processes may do so at once: it appears whole or not at all. */
export function writeFolder(parent: string, name: string, content: Content): string {
  const folder = join(parent, `${name}-${digestOf(content)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(parent, { recursive: true });
  const unfinished = mkdtempSync(`${folder}.`);
  try {
    write(unfinished, content);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
