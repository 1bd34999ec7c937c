import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RunStore } from '../../functions/reconcile/context.ts';

/** Some file systems take `A` for `a`, and all limit a name's length: the digest tells such names apart. */
function fileName(part: string): string {
  if (/^[0-9a-z_-][0-9a-z._-]{0,99}$/.test(part)) return part;
  const digest = createHash('sha256').update(part).digest('hex').slice(0, 12);
  return `${part.replaceAll(/[^0-9A-Za-z_-]/g, '_').slice(0, 60)}~${digest}`;
}

/** Where a folder keeps what has this name. */
export const pathOf = (folder: string, name: string): string => join(folder, ...name.split('/').map(fileName));

/**
 * Keeps runs in a folder that only its owner may read: there are values of rows in it. Pages are kept as text, all else as JSON. Rejects
 * when the folder cannot be written.
 */
export function folderStore(folder: string): RunStore {
  let writes = 0;
  return {
    read: async (name) => {
      const path = pathOf(folder, name);
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (text === undefined || path.endsWith('.html')) return text;
      return JSON.parse(text);
    },
    write: async (name, value) => {
      const path = pathOf(folder, name);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const text = path.endsWith('.html') ? String(value) : JSON.stringify(value);
      // Whole or not at all, whenever this process ends.
      const draft = `${path}.${process.pid}-${++writes}`;
      await writeFile(draft, text, { mode: 0o600 });
      await rename(draft, path);
    },
  };
}

/** Keeps runs as long as this process lives. */
export function memoryStore(): RunStore {
  const texts = new Map<string, string>();
  return {
    read: async (name) => {
      const text = texts.get(name);
      return text === undefined ? undefined : JSON.parse(text);
    },
    write: async (name, value) => void texts.set(name, JSON.stringify(value)),
  };
}
