const CLEAR_LINE = '\r\u001b[K';

/** Lines that stay, and on a terminal a last one that is written over. */
export type StatusLine = {
  readonly print: (lines: readonly string[]) => void;
  readonly show: (text: string) => void;
  readonly close: () => void;
};

/** Without a terminal the last line is printed only when it says something new. */
export function statusLine(out: NodeJS.WriteStream): StatusLine {
  let shown = '';
  const erase = out.isTTY ? CLEAR_LINE : '';
  const fit = (text: string): string => text.slice(0, Math.max(20, (out.columns ?? 80) - 1));
  return {
    print: (lines) => {
      const again = out.isTTY ? fit(shown) : '';
      out.write(`${erase}${lines.map((line) => `${line}\n`).join('')}${again}`);
    },
    show: (text) => {
      if (!out.isTTY && text !== shown) out.write(`${text}\n`);
      shown = text;
      if (out.isTTY) out.write(`${erase}${fit(text)}`);
    },
    close: () => {
      if (out.isTTY && shown !== '') out.write('\n');
      shown = '';
    },
  };
}
