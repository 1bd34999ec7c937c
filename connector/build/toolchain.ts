import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Programs that Kafka and the plugin need and npm does not bring. */
export type Toolchain = { readonly java: string; readonly maven: string };
export type MissingTools = { readonly missing: readonly string[]; readonly hint: string };

/** Java and Maven are missing: the message names them, the hint is the line that installs them. */
export class ToolchainMissing extends Error {
  readonly hint: string;

  constructor({ missing, hint }: MissingTools, purpose: string) {
    super(`${purpose} needs ${missing.join(' and ')}`);
    this.name = 'ToolchainMissing';
    this.hint = hint;
  }
}

const MIN_JAVA = 17;
const run = promisify(execFile);

/** Looks on the PATH. The hint is the line that installs what is missing on this system. */
export async function findToolchain(): Promise<Toolchain | MissingTools> {
  const [java, javac, maven] = await Promise.all([
    javaVersion(),
    answers('javac', ['-version']),
    answers('mvn', ['-v']),
  ]);
  const missing = [
    ...(java >= MIN_JAVA && javac ? [] : [`a JDK of ${MIN_JAVA} or later`]),
    ...(maven ? [] : ['Maven']),
  ];
  return missing.length === 0 ? { java: 'java', maven: 'mvn' } : { missing, hint: hintFor(process.platform) };
}

/** @throws ToolchainMissing that says what `purpose` needs: `Kafka on this machine` */
export async function requireToolchain(purpose: string): Promise<Toolchain> {
  const tools = await findToolchain();
  if ('missing' in tools) throw new ToolchainMissing(tools, purpose);
  return tools;
}

async function answers(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, [...args]);
    return true;
  } catch {
    return false;
  }
}

/** The major version, 0 where there is none. */
async function javaVersion(): Promise<number> {
  try {
    const { stderr } = await run('java', ['-version']);
    return Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function hintFor(platform: NodeJS.Platform): string {
  if (platform === 'darwin') return 'brew install openjdk@17 maven';
  if (platform === 'win32') return 'winget install Microsoft.OpenJDK.17 Apache.Maven';
  return 'sudo apt-get install --yes openjdk-17-jdk-headless maven';
}
