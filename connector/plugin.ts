import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { zipEntries } from './zip-entries.ts';

/** The sums that were reviewed, in the format of `sha256sum`. */
const SUMS = new URL('plugin.sha256', import.meta.url);

/** Not listed: its bytes follow from the sources. */
const OWN_JAR = /^concord-connector-[^/\\]+\.jar$/;

/** What Connect loads classes from when it lies in a plugin's folder. */
const LOADED = /\.(?:jar|zip|class)$/;

const BUILD = 'mvn -f connector/pom.xml package';

/** A plugin that is not there, or not what was reviewed. */
export class PluginProblem extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(`${message}: ${hint}`);
    this.name = 'PluginProblem';
    this.hint = hint;
  }
}

/** The third-party jars of the plugin: `postgresql-42.7.13.jar` → sha256 in hex. */
export function pluginFiles(): ReadonlyMap<string, string> {
  const lines = readFileSync(SUMS, 'utf8').trimEnd().split('\n');
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** What Connect would load: file name → content. */
type Files = ReadonlyMap<string, () => Buffer>;

/**
 * Checks the unpacked plugin, `.cache/connector/plugins/concord-connector`, against `plugin.sha256`.
 *
 * @throws PluginProblem that names the first jar, by name, that is missing, differs or is not listed
 */
export const verifyPlugin = (directory: string): void => verify(directory, loadedFiles(directory));

/**
 * Checks a plugin ZIP against `plugin.sha256`. Our own jar must be there; its bytes are not compared.
 *
 * @throws PluginProblem when there is no such file, it is no ZIP of ours, or a jar in it is not the listed one
 */
export function checkPluginZip(path: string): void {
  verify(path, filesInZip(path));
}

function verify(where: string, files: Files): void {
  const expected = pluginFiles();
  const own = [...files.keys()].filter((name) => OWN_JAR.test(name));
  if (own.length !== 1)
    throw new PluginProblem(`${where} has ${own.length} files concord-connector-<version>.jar and needs one`, BUILD);
  const names = new Set([...expected.keys(), ...files.keys()].filter((name) => !OWN_JAR.test(name)));
  for (const name of [...names].sort()) {
    const [sum, content] = [expected.get(name), files.get(name)];
    if (sum === undefined)
      throw new PluginProblem(`${name} in ${where} is not listed in connector/plugin.sha256`, 'delete it, or list it');
    if (content === undefined) throw new PluginProblem(`${name} is missing in ${where}`, BUILD);
    const actual = sha256(content());
    if (actual !== sum) throw differs(name, where, actual, sum);
  }
}

const differs = (name: string, where: string, actual: string, expected: string): PluginProblem =>
  new PluginProblem(
    `${name} in ${where} has sha256 ${actual}, connector/plugin.sha256 says ${expected}`,
    `${BUILD}; if it still differs, the download is not what was reviewed: delete it from the local Maven repository and find out why`,
  );

function loadedFiles(directory: string): Files {
  try {
    const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => LOADED.test(name));
    return new Map(names.map((name) => [name, () => readFileSync(join(directory, name))]));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
}

function filesInZip(path: string): Files {
  let archive: Buffer;
  try {
    archive = readFileSync(path);
  } catch (error) {
    throw new PluginProblem(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`, BUILD);
  }
  try {
    const loaded = zipEntries(archive).filter(({ name }) => LOADED.test(name));
    // One folder at the top holds everything: what lies deeper, or beside it, keeps its path and so is not listed.
    return new Map(loaded.map(({ name, content }) => [withoutFolder(name), content]));
  } catch (error) {
    throw new PluginProblem(`${basename(path)} is ${(error as Error).message}`, BUILD);
  }
}

const withoutFolder = (name: string): string => name.replace(/^concord-connector\//, '');

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
