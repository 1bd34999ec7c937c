import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { pluginFiles, verifyPlugin } from '../../connector/plugin.ts';
import { OVERSIZED, UNAVAILABLE } from '../../events/change.ts';
import { findToolchain } from '../../local/kafka/toolchain.ts';
import { onCleanup } from '../../local/process/cleanup.ts';
import { temporaryFolder } from '../support/command.ts';

const CONNECTOR = new URL('../../connector/', import.meta.url).pathname;
const ZIP = '.cache/connector/concord-connector-0.1.0.zip';

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
    // With the JUnit tests of the converter and the transform.
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
    assert.ok(one!.length > 1_000_000);
    assert.ok(one!.equals(two!), 'the two ZIPs differ');
  });

  test('every third-party jar is the one that plugin.sha256 lists', async () => {
    assert.equal((await pluginFiles()).size, 10);
    await verifyPlugin(plugin);
  });

  test('a changed jar is named', async () => {
    const original = await readFile(driver);
    await appendFile(driver, 'x');
    await assert.rejects(verifyPlugin(plugin), /^Error: postgresql-42\.7\.13\.jar in .* has sha256 .*: mvn -f/);
    await writeFile(driver, original);
    await verifyPlugin(plugin);
  });

  test('a missing jar is named', async () => {
    await rename(driver, join(folder, 'driver'));
    await assert.rejects(verifyPlugin(plugin), /^Error: postgresql-42\.7\.13\.jar is missing in .*: mvn -f/);
    await rename(join(folder, 'driver'), driver);
    await verifyPlugin(plugin);
  });

  test('an extra jar is named, also one in a folder below', async () => {
    for (const name of ['postgresql-42.7.12.jar', 'below/other.jar']) {
      await mkdir(join(plugin, 'below'), { recursive: true });
      await writeFile(join(plugin, name), '');
      await assert.rejects(verifyPlugin(plugin), ({ message }: Error) =>
        message.startsWith(`${name} in ${plugin} is not`),
      );
      await rm(join(plugin, name));
    }
    await verifyPlugin(plugin);
  });

  test('our own jar must be there, once', async () => {
    await writeFile(join(plugin, 'concord-connector-0.0.9.jar'), '');
    await assert.rejects(verifyPlugin(plugin), /has 2 files concord-connector-<version>\.jar and needs one/);
    await rm(join(plugin, 'concord-connector-0.0.9.jar'));
    await assert.rejects(verifyPlugin(join(folder, 'nowhere')), /has 0 files concord-connector-<version>\.jar/);
  });
});

test('the placeholders of the Java classes are those that apply knows', async () => {
  const source = (name: string): Promise<string> =>
    readFile(join(CONNECTOR, `plugin/src/main/java/io/concord/connect/${name}.java`), 'utf8');
  assert.ok((await source('TextConverter')).includes(`"${UNAVAILABLE}"`));
  assert.ok((await source('SizeLimit')).includes(`"${OVERSIZED}"`));
});
