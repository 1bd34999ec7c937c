/** What repeated measurements of one thing gave. */
export type Spread = { readonly min: number; readonly median: number; readonly max: number };

/** Throws when there is nothing to measure by. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) throw new Error('no measurement');
  return { min, median, max };
}

/** `rounded(0.87654)` is 0.88: what the spread of these measurements can carry. */
export const rounded = (ratio: number): number => Math.round(ratio * 100) / 100;

/** A Markdown table; numbers are right-aligned and have thousands separators. */
export function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.map(cell).join(' | ')} |`;
  const rule = head.map((_, index) => (typeof rows[0]?.[index] === 'number' ? '---:' : '---'));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

const cell = (value: string | number): string => (typeof value === 'number' ? value.toLocaleString('en-US') : value);
