import type { Report, RunInput } from '@concord/events';
import type { Context } from './context.ts';
import { mapLimited, messageOf } from './reach.ts';
import { stage } from './stage.ts';
import { names, readStored } from './stored.ts';

export type RunProgress = {
  readonly stage: 'plan' | 'ready' | 'compare' | 'judge' | 'repair' | 'verify' | 'collect' | 'report';
  /** Parts, tables or regions of this stage. */
  readonly done: number;
  readonly total: number;
  /** Of all parts that were compared so far: keys, ranges, and ranges that differ. */
  readonly rows: number;
  readonly ranges: number;
  readonly differing: number;
  /** Regions that have not applied all that was written before the run, a sentence each. */
  readonly behind: readonly string[];
};

export type RunOptions = {
  readonly onProgress?: (progress: RunProgress) => void;
  /** What a stage could not do; the report says it too. */
  readonly onWarning?: (message: string) => void;
  /** Rejects between two requests; the same run can be gone on with. */
  readonly signal?: AbortSignal | undefined;
  /** How long regions may take to apply what was written before the run; then it counts as in flight. */
  readonly waitMs?: number;
  /** Parts that are compared at once. */
  readonly atOnce?: number;
};

const WAIT_MS = 15 * 60_000;
const POLL_MS = 500;
const PARTS_AT_ONCE = 4;
const TABLES_AT_ONCE = 2;

/**
 * All stages of a run, in the order of the state machine and with its rule: a stage that fails does not stop the others, and the report says
 * what could not be done. Rejects when the plan cannot be made or the report cannot be kept.
 */
export async function runReconciliation(
  context: Context,
  { run, input }: { readonly run: string; readonly input: RunInput },
  options: RunOptions = {},
): Promise<Report> {
  const { onProgress, onWarning, signal, atOnce = PARTS_AT_ONCE } = options;
  let progress: RunProgress = { stage: 'plan', ...{ done: 0, total: 1, rows: 0, ranges: 0, differing: 0, behind: [] } };
  const tell = (more: Partial<RunProgress>): void => {
    progress = { ...progress, ...more };
    onProgress?.(progress);
  };
  /** Of all items, each on its own. */
  const each = async <T>(
    name: RunProgress['stage'],
    items: readonly T[],
    limit: number,
    work: (item: T) => Promise<unknown>,
  ): Promise<void> => {
    tell({ stage: name, done: 0, total: items.length });
    await mapLimited(items, limit, async (item) => {
      signal?.throwIfAborted();
      await work(item).catch((error) => {
        signal?.throwIfAborted();
        onWarning?.(messageOf(error));
      });
      tell({ done: progress.done + 1 });
    });
  };
  tell({});
  const plan = await stage(context, { do: 'plan', run, input });
  await waitUntilReady(context, run, options, (behind) => tell({ stage: 'ready', behind }));
  await each('compare', plan.parts, atOnce, async (part) => {
    const { rows, ranges, differing } = await stage(context, { do: 'compare', run, ...part });
    tell({
      rows: progress.rows + rows,
      ranges: progress.ranges + ranges,
      differing: progress.differing + differing,
    });
  });
  await each('judge', plan.tables, TABLES_AT_ONCE, (table) => stage(context, { do: 'judge', run, table }));
  if (plan.repair) {
    const all = plan.regions.length;
    await each('repair', plan.regions, all, (region) =>
      untilDone(signal, () => stage(context, { do: 'repair', run, region })),
    );
    await each('verify', plan.tables, TABLES_AT_ONCE, (table) => stage(context, { do: 'verify', run, table }));
  }
  await each('collect', [run], 1, () => untilDone(signal, () => stage(context, { do: 'collect', run })));
  signal?.throwIfAborted();
  tell({ stage: 'report', done: 0, total: 1 });
  await stage(context, { do: 'report', run });
  tell({ done: 1 });
  return (await readStored<Report>(context.store, names.report(run))) as Report;
}

async function untilDone(
  signal: AbortSignal | undefined,
  work: () => Promise<{ readonly done: boolean }>,
): Promise<void> {
  while (!(await work()).done) signal?.throwIfAborted();
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function waitUntilReady(
  context: Context,
  run: string,
  { signal, waitMs = WAIT_MS }: RunOptions,
  tell: (behind: readonly string[]) => void,
): Promise<void> {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    signal?.throwIfAborted();
    const { ready, behind } = await stage(context, { do: 'ready', run });
    tell(behind);
    if (ready || performance.now() >= untilMs) return;
    await pause(POLL_MS);
  }
}
