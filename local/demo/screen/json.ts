import type { Screen } from './screen.ts';

/** One JSON object per line; the last one is the verdict. */
export function jsonScreen(out: NodeJS.WritableStream): Screen {
  const print = (line: object): void => void out.write(`${JSON.stringify(line)}\n`);
  return {
    act: (title) => print({ act: title }),
    say: (text) => print({ say: text }),
    show: (activity) => print({ progress: activity }),
    verdict: print,
    close: () => undefined,
  };
}
