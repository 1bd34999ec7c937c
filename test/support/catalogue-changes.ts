import type { Sql } from '@concord/runtime';
import { dumpCatalogue } from './catalogue-dump.ts';

/** What differs between two states of a catalogue. */
export type CatalogueChanges = { readonly gone: readonly string[]; readonly added: readonly string[] };

export const NOTHING: CatalogueChanges = { gone: [], added: [] };

/** Remembers the catalogue; the function that it returns says what has changed since, but for lines that match `ignored`. */
export async function watchCatalogue(sql: Sql): Promise<(ignored?: RegExp) => Promise<CatalogueChanges>> {
  const before = new Set(await dumpCatalogue(sql));
  return async (ignored) => {
    const after = new Set(await dumpCatalogue(sql));
    const missing = (lines: ReadonlySet<string>, from: ReadonlySet<string>): string[] =>
      [...lines].filter((line) => !from.has(line) && !ignored?.test(line));
    return { gone: missing(before, after), added: missing(after, before) };
  };
}
