import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The sums that were reviewed, in the format of `sha256sum`. */
const SUMS = new URL('plugin.sha256', import.meta.url);

/** Not listed: its bytes follow from the sources. */
const OWN_JAR = /^concord-connector-[^/\\]+\.jar$/;

/** What Connect loads classes from when it lies in a plugin's folder. */
const LOADED = /\.(?:jar|zip|class)$/;

const BUILD = 'mvn -f connector/pom.xml package';

/** The third-party jars of the plugin: `postgresql-42.7.13.jar` → sha256 in hex. */
export async function pluginFiles(): Promise<ReadonlyMap<string, string>> {
  const lines = (await readFile(SUMS, 'utf8')).trimEnd().split('\n');
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/**
 * Checks the unpacked plugin, `.cache/connector/plugins/concord-connector`, against `plugin.sha256`.
 *
 * @throws Error that names the first jar, by name, that is missing, differs or is not listed
 */
export async function verifyPlugin(directory: string): Promise<void> {
  const expected = await pluginFiles();
  const found = await loadedFiles(directory);
  const own = found.filter((name) => OWN_JAR.test(name));
  if (own.length !== 1)
    throw new Error(`${directory} has ${own.length} files concord-connector-<version>.jar and needs one: ${BUILD}`);
  const names = new Set([...expected.keys(), ...found].filter((name) => !OWN_JAR.test(name)));
  for (const name of [...names].sort()) {
    const sum = expected.get(name);
    if (sum === undefined)
      throw new Error(`${name} in ${directory} is not listed in connector/plugin.sha256: delete it, or list it`);
    if (!found.includes(name)) throw new Error(`${name} is missing in ${directory}: ${BUILD}`);
    const actual = await sha256(join(directory, name));
    if (actual !== sum) throw new Error(differs(name, directory, actual, sum));
  }
}

const differs = (name: string, directory: string, actual: string, expected: string): string =>
  `${name} in ${directory} has sha256 ${actual}, connector/plugin.sha256 says ${expected}: ${BUILD}; if it still differs, ` +
  'the download is not what was reviewed: delete it from the local Maven repository and find out why';

async function loadedFiles(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory, { recursive: true })).filter((name) => LOADED.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
