import { type ChildProcess, spawn } from 'node:child_process';

export type MavenRun = {
  readonly maven: string;
  readonly pom: string;
  readonly properties: Readonly<Record<string, string>>;
};

const LAST_LINES = 15;

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
