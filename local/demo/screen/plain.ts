import { activityLine } from '../../region/activity-text.ts';
import { closingLines } from './closing.ts';
import type { Screen } from './screen.ts';

/** Numbers no oftener than this: a log is read afterwards. */
const EVERY_MS = 2000;

/** For pipes and logs: lines, no escape sequences. */
export function plainScreen(out: NodeJS.WritableStream): Screen {
  let shownAtMs = 0;
  const print = (line: string): void => void out.write(`${line}\n`);
  return {
    act: (title) => print(`\n${title}`),
    say: (text) => print(`  ${text}`),
    show: (activity) => {
      if (performance.now() - shownAtMs < EVERY_MS) return;
      shownAtMs = performance.now();
      print(`  ${activityLine(activity)}`);
    },
    verdict: (verdict) => closingLines(verdict).forEach(print),
    close: () => undefined,
  };
}
