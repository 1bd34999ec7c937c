import type { Reporter } from './reporter.ts';

/** One JSON object per line. */
export function jsonReporter(out: NodeJS.WritableStream): Reporter {
  const print = (line: object): void => void out.write(`${JSON.stringify(line)}\n`);
  return {
    step: (step) => print({ step }),
    script: (file, report) => print({ script: file, ...report }),
    tables: (tables) => print({ tables }),
    ready: (ready) => print({ ready }),
    activity: (activity) => print({ activity }),
    parked: (parked) => print({ parked }),
    warning: (warning) => print({ warning }),
    close: () => undefined,
  };
}
