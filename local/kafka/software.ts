import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { glob, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { verifyPlugin } from '../../connector/plugin.ts';
import { runMaven } from './maven.ts';
import { findToolchain } from './toolchain.ts';

/** A broker, Connect, and the connector's plugin, ready to be started. */
export type KafkaSoftware = {
  readonly java: string;
  /** Of the broker and of Connect. */
  readonly classPath: string;
  /** The folder that holds our plugin's folder, for Connect's `plugin.path`. */
  readonly pluginPath: string;
  /** The plugin as MSK Connect wants it. */
  readonly pluginZip: string;
};

export type SoftwareOptions = {
  /** Told what is going on while it takes longer than a moment. */
  readonly onProgress?: (line: string) => void;
};

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(ROOT, '.cache', 'java');
/** All that the jars are made from. */
const INPUTS = ['connector/pom.xml', 'connector/plugin.sha256', 'connector/plugin/**/*', 'local/kafka/pom.xml'];

/** Java and Maven are missing: the message names them, the hint is the line that installs them. */
export class ToolchainMissing extends Error {
  readonly hint: string;

  constructor(missing: readonly string[], hint: string) {
    super(`Kafka on this machine needs ${missing.join(' and ')}`);
    this.name = 'ToolchainMissing';
    this.hint = hint;
  }
}

/**
 * Fetches Kafka and Debezium and builds the plugin, once for each state of the sources: Maven brings everything, pinned in
 * `connector/pom.xml`, into `.cache/`. Rejects with Maven's own last lines when it fails.
 */
export async function kafkaSoftware({ onProgress = () => undefined }: SoftwareOptions = {}): Promise<KafkaSoftware> {
  const tools = await findToolchain();
  if ('missing' in tools) throw new ToolchainMissing(tools.missing, tools.hint);
  const directory = join(CACHE, await digestOfInputs());
  if (!existsSync(directory)) await build(directory, tools.maven, onProgress);
  const pluginPath = join(directory, 'connector', 'plugins');
  await verifyPlugin(join(pluginPath, 'concord-connector'));
  return {
    java: tools.java,
    classPath: join(directory, 'libs', '*'),
    pluginPath,
    pluginZip: await onlyFile(join(directory, 'connector', '*.zip')),
  };
}

async function digestOfInputs(): Promise<string> {
  const paths: string[] = [];
  for await (const entry of glob(INPUTS, { cwd: ROOT, withFileTypes: true }))
    if (entry.isFile()) paths.push(join(entry.parentPath, entry.name));
  const digest = createHash('sha256');
  for (const path of paths.sort())
    digest
      .update(path.slice(ROOT.length))
      .update('\0')
      .update(await readFile(path));
  return digest.digest('hex').slice(0, 16);
}

/** Builds beside the final place and renames: nobody sees half of it, and of two processes one wins. */
async function build(directory: string, maven: string, onProgress: (line: string) => void): Promise<void> {
  const making = `${directory}.${process.pid}`;
  await mkdir(making, { recursive: true });
  try {
    onProgress('fetching Kafka and building the connector plugin with Maven, once');
    await runMaven(maven, join(ROOT, 'local/kafka/pom.xml'), {
      'libs.directory': join(making, 'libs'),
      'project.build.directory': join(making, 'build'),
    });
    await runMaven(maven, join(ROOT, 'connector/pom.xml'), {
      'output.directory': join(making, 'connector'),
      skipTests: 'true',
    });
    await rename(making, directory).catch((error) => {
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

async function onlyFile(pattern: string): Promise<string> {
  for await (const path of glob(pattern)) return path;
  throw new Error(`no file ${pattern}: delete .cache and try again`);
}
