import type { ReconcileAnswers } from '@concord/events';
import type { Context } from './context.ts';
import { hasTime, messageOf } from './reach.ts';
import { type Judged, names, type Plan, type RepairPage, type RepairProgress, readPlan, readStored } from './stored.ts';

/** What a region is asked to take beside its applications' own writes. */
const VERSIONS_PER_SECOND = 2000;
/** A page is sent only with so much time left: 1,000 versions at that rate, and a function that has to start. */
const PAGE_MS = 30_000;

const NOTHING: RepairProgress = { next: {}, sent: {}, done: false, failed: null };

/**
 * Sends a region the versions that it lacks, page by page, through its own apply: that joins them, so it can be stopped, gone on
 * with, and repeated. Where its time is up it answers `done: false`. Rejects when the region fails; the next try goes on.
 */
export async function repairStage(
  context: Context,
  { run, region }: { readonly run: string; readonly region: string },
): Promise<ReconcileAnswers['repair']> {
  const { store } = context;
  const plan = await readPlan(store, run);
  if (!plan.repair) throw new Error(`run ${run} was not asked to repair`);
  let progress = (await readStored<RepairProgress>(store, names.repaired(run, region))) ?? NOTHING;
  const keep = async (next: RepairProgress): Promise<void> => {
    progress = next;
    await store.write(names.repaired(run, region), next);
  };
  try {
    for await (const page of pagesOf(context, plan, region, progress.next)) {
      for (let first = page.first; first < page.content.versions.length; ) {
        if (!hasTime(context, PAGE_MS)) return { done: false, sent: sumOf(progress.sent) };
        const taken = await send(context, run, region, page.content, first);
        first += taken;
        await keep(advanced(progress, page, first, taken));
      }
    }
    await keep({ ...progress, done: true, failed: null });
  } catch (error) {
    await keep({ ...progress, failed: messageOf(error) });
    throw error;
  }
  return { done: true, sent: sumOf(progress.sent) };
}

const sumOf = (sent: RepairProgress['sent']): number => Object.values(sent).reduce((sum, count) => sum + count, 0);

type Page = { readonly of: string; readonly page: number; readonly first: number; readonly content: RepairPage };

/** From where the region stopped the last time. */
async function* pagesOf(
  { store }: Context,
  { run, tables }: Plan,
  region: string,
  next: RepairProgress['next'],
): AsyncGenerator<Page> {
  for (const { table } of tables) {
    const judged = await readStored<Judged>(store, names.judged(run, table));
    const { of = '', repairPages = {} } = judged ?? {};
    const pages = repairPages[region] ?? 0;
    const from = next[table]?.of === of ? next[table] : { page: 0, version: 0 };
    for (let page = from.page; page < pages; page++) {
      const content = await readStored<RepairPage>(store, names.repairPage(run, table, region, page));
      if (content === undefined) throw new Error(`page ${page} of what ${region} lacks of ${table} is gone`);
      yield { of, page, first: page === from.page ? from.version : 0, content };
    }
  }
}

/** How many of a page's versions, from `first` on, the region took. */
async function send(
  { regions }: Context,
  run: string,
  region: string,
  content: RepairPage,
  first: number,
): Promise<number> {
  const versions = content.versions.slice(first);
  const { left } = await regions.repair(region, { ...content, run, versions, versionsPerSecond: VERSIONS_PER_SECOND });
  const taken = versions.length - left;
  if (taken <= 0) throw new Error(`${region} took none of ${versions.length} versions of ${content.table}`);
  return taken;
}

function advanced(
  progress: RepairProgress,
  { of, page, content }: Page,
  version: number,
  taken: number,
): RepairProgress {
  const { table, versions } = content;
  const next = version === versions.length ? { of, page: page + 1, version: 0 } : { of, page, version };
  return {
    ...progress,
    next: { ...progress.next, [table]: next },
    sent: { ...progress.sent, [table]: (progress.sent[table] ?? 0) + taken },
  };
}

/** What the repair of a run sends a region, or would send: all pages of the store. */
export async function* repairPagesOf(context: Context, run: string, region: string): AsyncGenerator<RepairPage> {
  for await (const { content } of pagesOf(context, await readPlan(context.store, run), region, {})) yield content;
}
