import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { processesIn, type RunningCommand, startConcord, temporaryFolder } from '../support/command.ts';
import { kafkaOrSkip } from '../support/kafka.ts';

const ARGS = ['demo', '--kafka', '--regions', '2', '--seconds', '4', '--seed', '1'];
const POLL_MS = 5;
const folder = temporaryFolder();

type Line = Record<string, unknown>;

const hasBegun = ({ act }: Line): boolean => String(act).startsWith('Everybody writes');

function assertNothingLeft(): void {
  assert.deepEqual(processesIn(folder), []);
  assert.deepEqual(readdirSync(folder), []);
}

async function assertEqual(demo: RunningCommand, carrier: string): Promise<void> {
  assert.equal(await demo.ended, 0, demo.stderr());
  const verdict = demo.lines.at(-1) as Record<string, number | string>;
  const { received = 0, applied = 0, superseded = 0, held = 0, parked = 0 } = verdict as Record<string, number>;
  assert.equal(verdict.verdict, 'equal', JSON.stringify(verdict));
  assert.equal(verdict.carrier, carrier);
  assert.equal(verdict.regions, 2);
  assert.equal(applied + superseded + held + parked, received);
  assert.equal(received, verdict.delivered, 'without a restarted connector nothing comes twice');
  assert.equal(parked, 2, 'two poison records in one region');
  for (const name of ['rows', 'conflicts', 'appliedPerSecond', 'lagMsP50', 'lagMsP99'])
    assert.ok(Number(verdict[name]) > 0, `${name} is ${verdict[name]}`);
}

describe('concord demo --kafka', { skip: kafkaOrSkip() }, () => {
  test('ends with equal regions and leaves nothing behind', async () => {
    const demo = startConcord(folder, ...ARGS);
    await assertEqual(demo, 'kafka');
    assertNothingLeft();
  });

  test('with TLS and accounts: the same', async () => {
    const demo = startConcord(folder, ...ARGS, '--sasl');
    await assertEqual(demo, 'kafka-sasl');
    assertNothingLeft();
  });

  test('Ctrl-C while clients write cleans up', async () => {
    const demo = startConcord(folder, ...ARGS);
    await demo.line(hasBegun);
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 130);
    assertNothingLeft();
  });

  test('Ctrl-C while the broker comes up cleans up', async () => {
    const demo = startConcord(folder, ...ARGS);
    while (!processesIn(folder).some((command) => command.includes('kafka.Kafka'))) await delay(POLL_MS);
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 130);
    assertNothingLeft();
  });
});

test('without Java and Maven concord demo --kafka names what is missing and the line that installs it', () => {
  const command = new URL('../../cli/concord.js', import.meta.url).pathname;
  const env = { TMPDIR: folder, PATH: folder };
  const { status, stderr } = spawnSync(process.execPath, [command, ...ARGS], { env, encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /^error: Kafka on this machine needs a JDK of 17 or later and Maven\nhint: \S+ .*install/m);
  assertNothingLeft();
});
