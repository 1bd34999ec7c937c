import { spawn } from 'node:child_process';
import { onCleanup } from '../process/cleanup.ts';

const LAST_LINES = 15;

/** Runs `mvn package` of a POM with these properties. Rejects with the last lines of its output. */
export async function runMaven(
  maven: string,
  pom: string,
  properties: Readonly<Record<string, string>>,
): Promise<void> {
  const defines = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
  const args = ['--quiet', '--batch-mode', '--no-transfer-progress', '--file', pom, 'package', ...defines];
  const child = spawn(maven, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' });
  const forget = onCleanup({ kill: () => void (child.pid !== undefined && process.kill(-child.pid, 'SIGKILL')) });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  const code = await promise.finally(forget);
  if (code !== 0)
    throw new Error(
      `Maven failed on ${pom}\n${output.trim().split('\n').slice(-LAST_LINES).join('\n')}\nIs Maven Central within reach? A mirror goes into ~/.m2/settings.xml.`,
    );
}
