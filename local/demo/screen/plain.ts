import { verdictLines } from './closing.ts';
import { formatCount, formatMs, type Progress, type Screen } from './screen.ts';

/** Numbers no oftener than this: a log is read afterwards. */
const EVERY_MS = 2000;

const sum = (progress: Progress, of: (region: Progress['regions'][number]) => number): number =>
  progress.regions.reduce((total, region) => total + of(region), 0);

/** One line of numbers for all regions. */
export const summaryLine = (progress: Progress): string =>
  [
    `${formatCount(sum(progress, ({ written }) => written))} rows written`,
    `${formatCount(progress.appliedPerSecond)} applied/s`,
    `lag ${formatMs(progress.lagMsP50)}, p99 ${formatMs(progress.lagMsP99)}`,
    `${formatCount(sum(progress, ({ waiting }) => waiting))} waiting`,
    `${formatCount(sum(progress, ({ conflicts }) => conflicts))} conflicts`,
    `${formatCount(sum(progress, ({ parked }) => parked))} parked`,
  ].join(' · ');

/** For pipes and logs: lines, no escape sequences. */
export function plainScreen(out: NodeJS.WritableStream): Screen {
  let shownAtMs = 0;
  const print = (line: string): void => void out.write(`${line}\n`);
  return {
    act: (title) => print(`\n${title}`),
    say: (text) => print(`  ${text}`),
    show: (progress) => {
      if (performance.now() - shownAtMs < EVERY_MS) return;
      shownAtMs = performance.now();
      print(`  ${summaryLine(progress)}`);
    },
    verdict: (verdict) => {
      for (const line of verdictLines(verdict)) print(line);
    },
    close: () => undefined,
  };
}
