import { styleText } from 'node:util';
import type { Activity, RegionActivity } from '../../region/activity.ts';
import { activityLine, formatCount } from '../../region/activity-text.ts';
import { closingLines } from './closing.ts';
import type { Screen } from './screen.ts';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_BELOW = '\u001b[J';
const up = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}A\r`);

type Style = Parameters<typeof styleText>[0];

/** A story that scrolls, and below it a table of the regions that stays in place. */
export function liveScreen(out: NodeJS.WriteStream): Screen {
  let table: readonly string[] = [];
  let isClosed = false;
  const paint = (style: Style, text: string): string => styleText(style, text, { stream: out });
  const fit = (line: string): string => {
    const width = Math.max(40, (out.columns ?? 80) - 1);
    return line.length > width ? `${line.slice(0, width - 1)}…` : line;
  };
  /** In one write, so that nothing flickers. */
  const redraw = (story: readonly string[], next: readonly string[]): void => {
    if (isClosed) return;
    const erase = `${up(table.length)}${CLEAR_BELOW}`;
    table = next;
    out.write(erase + [...story, ...next].map((line) => `${line}\n`).join(''));
  };
  const tint = (region: RegionActivity): string =>
    region.isCutOff ? paint('yellow', fit(row(region))) : fit(row(region));
  /** What is higher than the terminal could not be drawn over: then the sum has to do. */
  const rows = ({ regions }: Activity): string[] =>
    regions.length + 5 > (out.rows ?? 24) ? [] : ['', paint('dim', fit(HEADER)), ...regions.map(tint)];
  out.write(HIDE_CURSOR);
  return {
    act: (title) => redraw(['', paint('bold', fit(title))], table),
    say: (text) => redraw([`  ${text}`], table),
    show: (activity) => redraw([], [...rows(activity), '', paint('cyan', fit(activityLine(activity)))]),
    verdict: (verdict) => {
      const [gap = '', headline = '', ...lines] = closingLines(verdict);
      const color = verdict.verdict === 'equal' ? 'green' : 'red';
      redraw([gap, paint(['bold', color], headline), ...lines], []);
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      out.write(SHOW_CURSOR);
    },
  };
}

const COLUMNS = ['changes', 'received', 'waiting', 'superseded', 'conflicts', 'parked'] as const;
const NAME_WIDTH = 15;
const CELL_WIDTH = 11;
const HEADER = `${'region'.padEnd(NAME_WIDTH)}${COLUMNS.map((name) => name.padStart(CELL_WIDTH)).join('')}`;

function row({ region, isCutOff, captured, received, waiting, superseded, conflicts, parked }: RegionActivity): string {
  const counts = [captured, received, waiting, superseded, conflicts, parked];
  const cells = counts.map((count) => formatCount(count).padStart(CELL_WIDTH)).join('');
  return `${region.padEnd(NAME_WIDTH)}${cells}${isCutOff ? '  cut off' : ''}`;
}
