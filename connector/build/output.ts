import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

/** What a program wrote, to stdout and stderr in its order, and how it ended; null when a signal ended it. */
export type Ended = { readonly code: number | null; readonly output: string };

/** Waits for the end of a program. Rejects when it could not be started. */
export async function outputOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  const code = await promise;
  return { code, output };
}

const LAST_LINES = 15;

/** Where programs say why they failed. */
export const lastLines = (output: string): string => output.trim().split('\n').slice(-LAST_LINES).join('\n');
