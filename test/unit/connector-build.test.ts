import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runMaven } from '../../connector/build/maven.ts';
import { isAlive } from '../../local/process/process-table.ts';
import { temporaryFolder } from '../support/command.ts';

const CONNECTOR = new URL('../../connector/', import.meta.url).href;
const POLL_MS = 20;
const folder = temporaryFolder();

/** A program that runs in Maven's place. */
function program(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'));
  chmodSync(path, 0o755);
  return path;
}

const script = (...lines: string[]) =>
  spawn(process.execPath, ['--input-type=module', '--eval', lines.join('\n')], {
    env: { PATH: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

describe('building the plugin', { skip: process.platform === 'win32' && 'shell scripts stand for Maven' }, () => {
  test('without Java and Maven says what to install', async () => {
    const child = script(
      `import { pluginZip, ToolchainMissing } from '${CONNECTOR}plugin-zip.ts';`,
      'await pluginZip().catch((e) => console.log(e instanceof ToolchainMissing, e.message, e.hint));',
    );
    const said = await text(child.stdout);
    assert.match(said, /^true building the connector's plugin needs a JDK of 17 or later and Maven \S+/);
  });

  test('Maven gets the POM and the properties, and its last lines are in the error', async () => {
    const maven = program('mvn-args', `for a in "$@"; do echo "[$a]"; done; exit 3`);
    const properties = { 'a.b': 'c d' };
    await assert.rejects(runMaven({ maven, pom: '/p/pom.xml', properties }), ({ message }: Error) => {
      assert.match(message, /^Maven failed on \/p\/pom\.xml\n/);
      assert.match(message, /\[--file\]\n\[\/p\/pom\.xml\]\n\[package\]\n\[-Da\.b=c d\]\n/);
      return true;
    });
    await assert.rejects(runMaven({ maven: join(folder, 'absent'), pom: 'p', properties }), /ENOENT/);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    test(`${signal} ends Maven and what it started, and this process as ever`, async () => {
      const pids = join(folder, `pids-${signal}`);
      const maven = program(
        `mvn-${signal}`,
        '/bin/sleep 600 &',
        `echo "$$ $!" > ${pids}.part`,
        `/bin/mv ${pids}.part ${pids}`,
        'wait',
      );
      const child = script(
        `import { runMaven } from '${CONNECTOR}build/maven.ts';`,
        `await runMaven({ maven: '${maven}', pom: 'p', properties: {} });`,
      );
      const ended = once(child, 'exit');
      while (!existsSync(pids)) await delay(POLL_MS);
      child.kill(signal);
      assert.deepEqual(await ended, [null, signal]);
      for (const pid of readFileSync(pids, 'utf8').trim().split(' ').map(Number))
        while (isAlive(pid)) await delay(POLL_MS);
    });
});
