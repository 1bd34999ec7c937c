import type { RunProgress } from '../functions/reconcile/run.ts';
import { statusLine } from '../local/playground/status-line.ts';
import { formatCount } from '../local/region/activity-text.ts';

/** Where a run tells how far it is. */
export type ProgressDisplay = {
  readonly show: (progress: RunProgress) => void;
  readonly print: (...lines: readonly string[]) => void;
  readonly close: () => void;
};

const BAR_WIDTH = 24;
/** Lines no oftener than this where there is no terminal: a log is read afterwards. */
const EVERY_MS = 2000;
const REDRAW_MS = 100;

/** A bar on a terminal, else a line from time to time, on the same stream as warnings: the result alone goes to stdout. */
export function progressDisplay(out: NodeJS.WriteStream): ProgressDisplay {
  const line = statusLine(out);
  const everyMs = out.isTTY ? REDRAW_MS : EVERY_MS;
  const startedAtMs = performance.now();
  let [shownAtMs, stage] = [startedAtMs, ''];
  return {
    show: (progress) => {
      const nowMs = performance.now();
      if (nowMs - shownAtMs < everyMs && (progress.stage === stage || !out.isTTY)) return;
      [shownAtMs, stage] = [nowMs, progress.stage];
      const text = progressText(progress, nowMs - startedAtMs);
      line.show(out.isTTY ? `${bar(progress)} ${text}` : text);
    },
    print: (...lines) => line.print(lines),
    close: line.close,
  };
}

function bar({ done, total }: RunProgress): string {
  const filled = total === 0 ? 0 : Math.round((done / total) * BAR_WIDTH);
  return `[${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}]`;
}

/** `compare 3/12 · 1,234,567 rows · 800 ranges, 5 differ · 12 s`. */
export function progressText(
  { stage, done, total, rows, ranges, differing, behind }: RunProgress,
  elapsedMs: number,
): string {
  return [
    total > 1 ? `${stage} ${done}/${total}` : stage,
    `${formatCount(rows)} rows`,
    `${formatCount(ranges)} ranges, ${formatCount(differing)} differ`,
    ...(stage === 'ready' && behind.length > 0 ? [`waits: ${behind.slice(0, 2).join('; ')}`] : []),
    `${Math.round(elapsedMs / 1000)} s`,
  ].join(' · ');
}
