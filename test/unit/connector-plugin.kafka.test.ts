import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { findToolchain } from '../../connector/build/toolchain.ts';
import { checkPluginZip, PluginProblem, pluginFiles, verifyPlugin } from '../../connector/plugin.ts';
import { pluginZip } from '../../connector/plugin-zip.ts';
import { zipEntries } from '../../connector/zip-entries.ts';
import { OVERSIZED, UNAVAILABLE } from '../../events/change.ts';
import { onCleanup } from '../../local/process/cleanup.ts';
import { temporaryFolder } from '../support/command.ts';

const CONNECTOR = new URL('../../connector/', import.meta.url).pathname;
const ZIP = '.cache/connector/concord-connector-0.1.0.zip';

const run = promisify(execFile);
const toolchain = await findToolchain();
const skip = 'missing' in toolchain && process.env.CI === undefined ? toolchain.hint : false;

/** Copies the sources to `<folder>/connector` and builds there; everything built lies in `<folder>/.cache`. */
async function build(folder: string, environment: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  if ('missing' in toolchain) throw new Error(toolchain.hint);
  await cp(CONNECTOR, join(folder, 'connector'), { recursive: true });
  const child = spawn(toolchain.maven, ['-q', '-B', '-f', join(folder, 'connector/pom.xml'), 'package', ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const forget = onCleanup({ kill: () => void child.kill('SIGKILL') });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const [code, signal] = await once(child, 'close');
  forget();
  if (code !== 0) throw new Error(`mvn: ${signal ?? `exit code ${code}`}\n${output.slice(-8000)}`);
  return folder;
}

describe('the connector plugin', { skip }, () => {
  const folder = temporaryFolder();
  const plugin = join(folder, 'one/.cache/connector/plugins/concord-connector');
  const driver = join(plugin, 'postgresql-42.7.13.jar');

  before(async () => {
    // With the JUnit tests of the Java classes.
    await build(join(folder, 'one'), { TZ: 'UTC' });
  });

  test('the same sources give the same ZIP in another folder, with another time zone and umask', async () => {
    const umask = process.umask(0o077);
    try {
      await build(join(folder, 'some/other folder'), { TZ: 'Asia/Tokyo' }, '-DskipTests');
    } finally {
      process.umask(umask);
    }
    const [one, two] = await Promise.all(['one', 'some/other folder'].map((name) => readFile(join(folder, name, ZIP))));
    assert.ok(one!.length > 1_000_000 && one!.length < 12_000_000, `${one!.length} bytes`);
    assert.ok(one!.equals(two!), 'the two ZIPs differ');
  });

  test('every third-party jar is the one that plugin.sha256 lists', () => {
    assert.equal(pluginFiles().size, 38);
    verifyPlugin(plugin);
  });

  test('a changed jar is named', async () => {
    const original = await readFile(driver);
    await appendFile(driver, 'x');
    assert.throws(() => verifyPlugin(plugin), /^PluginProblem: postgresql-42\.7\.13\.jar in .* has sha256 .*: mvn -f/);
    await writeFile(driver, original);
    verifyPlugin(plugin);
  });

  test('a missing jar is named', async () => {
    await rename(driver, join(folder, 'driver'));
    assert.throws(() => verifyPlugin(plugin), /^PluginProblem: postgresql-42\.7\.13\.jar is missing in .*: mvn -f/);
    await rename(join(folder, 'driver'), driver);
    verifyPlugin(plugin);
  });

  test('an extra jar is named, also one in a folder below', async () => {
    for (const name of ['postgresql-42.7.12.jar', 'below/other.jar']) {
      await mkdir(join(plugin, 'below'), { recursive: true });
      await writeFile(join(plugin, name), '');
      assert.throws(
        () => verifyPlugin(plugin),
        ({ message }: Error) => message.startsWith(`${name} in ${plugin} is not`),
      );
      await rm(join(plugin, name));
    }
    verifyPlugin(plugin);
  });

  test('our own jar must be there, once', async () => {
    await writeFile(join(plugin, 'concord-connector-0.0.9.jar'), '');
    assert.throws(() => verifyPlugin(plugin), /has 2 files concord-connector-<version>\.jar and needs one/);
    await rm(join(plugin, 'concord-connector-0.0.9.jar'));
    assert.throws(() => verifyPlugin(join(folder, 'nowhere')), /has 0 files concord-connector-<version>\.jar/);
  });
});

/** The archive with one entry's name exchanged for another of the same length, in both places that hold it. */
function renamed(archive: Buffer, from: string, to: string, change = (bytes: Buffer): Buffer => bytes): Buffer {
  assert.equal(from.length, to.length);
  const text = archive.toString('latin1');
  assert.equal(text.split(from).length, 3, `${from} is there twice`);
  return change(Buffer.from(text.replaceAll(from, to), 'latin1'));
}

/** As if the jar of AWS regions were stored and not compressed: its content is another. */
function flipped(archive: Buffer): Buffer {
  const name = archive.lastIndexOf('regions-2');
  const entry = archive.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1'), name);
  archive.writeUInt16LE(0, entry + 10);
  return archive;
}

/** What `checkPluginZip` says of a file. */
function problemOf(path: string): string {
  try {
    checkPluginZip(path);
    return 'none';
  } catch (error) {
    assert.ok(error instanceof PluginProblem);
    assert.ok(error.message.endsWith(error.hint));
    return error.message;
  }
}

describe('a plugin ZIP that is given', { skip }, () => {
  const folder = temporaryFolder();
  const given = join(folder, 'given.zip');
  let archive: Buffer;

  before(async () => {
    archive = await readFile(await pluginZip());
  });

  test('is built once for each state of the sources', async () => {
    const lines: string[] = [];
    const path = await pluginZip({ onProgress: (line) => lines.push(line) });
    assert.ok(isAbsolute(path));
    assert.deepEqual(lines, []);
    assert.equal(problemOf(path), 'none');
  });

  test('is read as unzip does', async () => {
    const { stdout } = await run('jar', ['tf', await pluginZip()]);
    const names = zipEntries(archive).map(({ name }) => name);
    assert.deepEqual(names, stdout.trim().split('\n'));
    const text = zipEntries(archive).find(({ name }) => name.endsWith('/THIRD-PARTY.txt'));
    assert.equal(
      text?.content().toString(),
      await readFile(join(CONNECTOR, 'plugin/src/assembly/THIRD-PARTY.txt'), 'utf8'),
    );
  });

  test('must be there', () => {
    const path = join(folder, 'absent.zip');
    assert.equal(problemOf(path), `${path} cannot be read (ENOENT): mvn -f connector/pom.xml package`);
  });

  const damaged: [name: string, bytes: () => Buffer, says: RegExp][] = [
    ['no ZIP', () => Buffer.from('{}'), /^given\.zip is no ZIP archive: mvn -f/],
    ['empty', () => Buffer.alloc(0), /^given\.zip is no ZIP archive/],
    ['cut off', () => archive.subarray(0, archive.length / 2), /^given\.zip is no ZIP archive/],
    ['without its start', () => archive.subarray(1000), /is a damaged ZIP archive/],
    [
      'another plugin',
      () => renamed(archive, 'concord-connector-0', 'another-connector-0'),
      /has 0 files concord-connector-/,
    ],
    [
      'an older driver',
      () => renamed(archive, '42.7.13.jar', '42.7.12.jar'),
      /^postgresql-42\.7\.12\.jar in .* is not listed/,
    ],
    ['a lacking jar', () => renamed(archive, '42.7.13.jar', '42.7.13.tmp'), /^postgresql-42\.7\.13\.jar is missing in/],
    [
      'another content',
      () => renamed(archive, 'regions-2', 'regions-2', flipped),
      /^regions-2\.\d+\.\d+\.jar in .* has sha256/,
    ],
  ];
  for (const [name, bytes, says] of damaged)
    test(`is refused: ${name}`, async () => {
      await writeFile(given, bytes());
      assert.match(problemOf(given), says);
    });
});

test('the placeholders of the Java classes are those that apply knows', async () => {
  const source = (name: string): Promise<string> =>
    readFile(join(CONNECTOR, `plugin/src/main/java/io/concord/connect/${name}.java`), 'utf8');
  assert.ok((await source('TextConverter')).includes(`"${UNAVAILABLE}"`));
  assert.ok((await source('SizeLimit')).includes(`"${OVERSIZED}"`));
});
