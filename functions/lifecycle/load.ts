import type { Key, KeyRange, RepairVersion } from '@concord/events';

/** Versions of a range in key order, complete, and where to go on: null at its end. */
export type Page = { readonly versions: readonly RepairVersion[]; readonly next: Key | null };

/** Where an unfinished load goes on. */
export type Position = { readonly after: Key; readonly versions: number };

export type LoadOptions = {
  readonly read: (range: KeyRange) => Promise<Page>;
  /** Joins versions into the target; rejects where they did not go in. Parked ones went in. */
  readonly write: (versions: readonly RepairVersion[]) => Promise<void>;
  /** Of a load that was stopped before; undefined begins anew. */
  readonly from?: Position | undefined;
  readonly keep: (position: Position) => Promise<void>;
  readonly onProgress?: (versions: number) => void;
  /** Stops after the page that is being written. */
  readonly signal?: AbortSignal;
};

/** `versions`: rows, tombstones and held rows that were sent, those of former attempts too. */
export type Loaded = { readonly versions: number; readonly end: 'done' | 'stopped' };

/**
 * First load or re-sync: sends all versions that the source holds of a table through the target's join, so it may run into an empty
 * table or an old one, beside live changes, and again at any time. The next page is read while one is written; there are never
 * more than two in memory. Rejects as `read` and `write` do, and can go on from the last position kept.
 */
export async function load(options: LoadOptions): Promise<Loaded> {
  const { read, write, keep, onProgress, signal } = options;
  let versions = options.from?.versions ?? 0;
  let reading = begin(read, options.from?.after ?? null);
  for (;;) {
    const page = await reading;
    const { next } = page;
    if (next !== null) reading = begin(read, next);
    await write(page.versions);
    versions += page.versions.length;
    onProgress?.(versions);
    if (next === null) return { versions, end: 'done' };
    await keep({ after: next, versions });
    if (signal?.aborted) return { versions, end: 'stopped' };
  }
}

/** A page that fails while another is written is not unhandled: whoever awaits it next is told. */
function begin(read: LoadOptions['read'], from: Key | null): Promise<Page> {
  const page = read({ from, to: null });
  page.catch(() => undefined);
  return page;
}
