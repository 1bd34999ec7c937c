import { styleText } from 'node:util';
import { verdictLines } from './closing.ts';
import { summaryLine } from './plain.ts';
import { formatCount, type Progress, type RegionProgress, type Screen } from './screen.ts';

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
  const width = (): number => Math.max(40, (out.columns ?? 80) - 1);
  const fit = (line: string): string => (line.length > width() ? `${line.slice(0, width() - 1)}…` : line);
  /** In one write, so that nothing flickers. */
  const redraw = (story: readonly string[], next: readonly string[]): void => {
    if (isClosed) return;
    const erase = `${up(table.length)}${CLEAR_BELOW}`;
    table = next;
    out.write(erase + [...story, ...next].map((line) => `${line}\n`).join(''));
  };
  /** Without the scroll of a full screen: what is higher than the terminal could not be drawn over. */
  const rows = (progress: Progress): string[] => {
    const all = [header(), ...progress.regions.map(row)].map(fit);
    const room = (out.rows ?? 24) - 4;
    return all.length > room
      ? []
      : [paint('dim', all[0] ?? ''), ...all.slice(1).map((line, index) => tint(line, progress.regions[index]))];
  };
  const tint = (line: string, region: RegionProgress | undefined): string =>
    region?.isCutOff ? paint('yellow', line) : line;
  out.write(HIDE_CURSOR);
  return {
    act: (title) => redraw(['', paint('bold', fit(title))], table),
    say: (text) => redraw([`  ${text}`], table),
    show: (progress) => redraw([], ['', ...rows(progress), paint('cyan', fit(summaryLine(progress)))]),
    verdict: (verdict) => {
      const [, headline = '', ...lines] = verdictLines(verdict);
      const isEqual = verdict.verdict === 'equal';
      redraw(['', paint(['bold', isEqual ? 'green' : 'red'], headline), ...lines], []);
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      out.write(SHOW_CURSOR);
    },
  };
}

const COLUMNS = ['written here', 'received', 'waiting', 'superseded', 'conflicts', 'parked'] as const;
const NAME_WIDTH = 16;
const CELL_WIDTH = 13;

const header = (): string =>
  `${'region'.padEnd(NAME_WIDTH)}${COLUMNS.map((name) => name.padStart(CELL_WIDTH)).join('')}`;

const row = ({ region, isCutOff, written, received, waiting, superseded, conflicts, parked }: RegionProgress): string =>
  region.padEnd(NAME_WIDTH) +
  [written, received, waiting, superseded, conflicts, parked]
    .map((count) => formatCount(count).padStart(CELL_WIDTH))
    .join('') +
  (isCutOff ? '  cut off' : '');
