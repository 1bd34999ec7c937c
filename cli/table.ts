/** Columns of text, padded; numbers to the right. Empty input gives an empty text. */
export function table(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const [first] = rows;
  if (first === undefined) return '';
  const names = Object.keys(first);
  const width = (name: string): number => Math.max(name.length, ...rows.map((row) => String(row[name] ?? '').length));
  const widths = new Map(names.map((name) => [name, width(name)]));
  const cell = (name: string, value: string | number): string => {
    const text = String(value);
    return typeof value === 'number' ? text.padStart(widths.get(name) ?? 0) : text.padEnd(widths.get(name) ?? 0);
  };
  const lines = [
    names.map((name) => cell(name, name)),
    ...rows.map((row) => names.map((name) => cell(name, row[name] ?? ''))),
  ];
  return lines.map((line) => line.join('  ').trimEnd()).join('\n');
}
