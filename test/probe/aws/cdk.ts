import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Say } from '../wait.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SHOWN_CHARACTERS = 4000;

export type CdkOptions = {
  readonly say: Say;
  readonly signal: AbortSignal;
  /** Of `deployment.ts`. */
  readonly environment: Readonly<Record<string, string>>;
};

/** Passes on what CDK says, line by line; it has the terminal's Ctrl-C from us alone, so that it is ended once. */
export const runCdk = ({ say, signal, environment }: CdkOptions, words: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn('npx', ['--no-install', 'cdk', ...words], {
      cwd: ROOT,
      env: { ...process.env, ...environment, CI: 'true' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const end = (): void => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    };
    signal.addEventListener('abort', end, { once: true });
    let output = '';
    let line = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        const lines = (line + text).split('\n');
        line = lines.pop() ?? '';
        for (const one of lines) if (one.trim() !== '') say(`    ${one}`);
      });
    child.once('error', reject);
    child.once('close', (code) => {
      signal.removeEventListener('abort', end);
      if (code === 0) resolve(output);
      else reject(new Error(`cdk ${words.join(' ')} ended with ${code}:\n${output.slice(-SHOWN_CHARACTERS)}`));
    });
  });
