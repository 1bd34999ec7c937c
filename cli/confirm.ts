import { createInterface } from 'node:readline/promises';
import { Failure } from './failure.ts';

/**
 * Asks before something that cannot be taken back; anything but y or yes is a no, also the end of the input. With `yes` nobody is asked. Throws where
 * nobody can be asked.
 */
export async function confirm(
  question: string,
  { yes = false }: { readonly yes?: boolean | undefined },
): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw new Failure('nobody is there to say yes', 'add --yes to do it without a question');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `).catch((error: { code?: unknown }) => {
      if (error.code === 'ABORT_ERR') return '';
      throw error;
    });
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    lines.close();
  }
}

/** The answer was no. */
export function nothingDone(): void {
  process.stderr.write('nothing was changed\n');
  process.exitCode = 1;
}
