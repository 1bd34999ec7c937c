import { type ChildProcess, spawn } from 'node:child_process';
import { lastLines, outputOf } from './output.ts';

export type MavenRun = {
  readonly maven: string;
  readonly pom: string;
  readonly properties: Readonly<Record<string, string>>;
};

/**
 * Runs `mvn package` of a POM. Rejects with the last lines of its output. Maven ends with this process at the latest, also on
 * Ctrl-C.
 */
export async function runMaven({ maven, pom, properties }: MavenRun): Promise<void> {
  const defines = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
  const args = ['--quiet', '--batch-mode', '--no-transfer-progress', '--file', pom, 'package', ...defines];
  const child = spawn(maven, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
  });
  const forget = killWithThisProcess(child);
  const { code, output } = await outputOf(child).finally(forget);
  if (code !== 0)
    throw new Error(
      `Maven failed on ${pom}\n${lastLines(output)}\nIs Maven Central within reach? A mirror goes into ~/.m2/settings.xml.`,
    );
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Kills Maven and what it started. A signal that nobody else listens to then does what it would have done. */
function killWithThisProcess(child: ChildProcess): () => void {
  const kill = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    kill();
    forget();
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  const forget = (): void => {
    process.off('exit', kill);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  process.on('exit', kill);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return forget;
}
