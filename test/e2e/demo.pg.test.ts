import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { processesIn, type RunningCommand, startConcord, temporaryFolder } from '../support/command.ts';

const ARGS = ['demo', '--regions', '3', '--seconds', '3', '--seed', '1'];
const folder = temporaryFolder();

const hasBegun = ({ act }: Record<string, unknown>): boolean => String(act).startsWith('Everybody writes');

function assertNothingLeft(): void {
  assert.deepEqual(readdirSync(folder), []);
  assert.deepEqual(processesIn(folder), []);
}

async function assertEqual(demo: RunningCommand): Promise<void> {
  assert.equal(await demo.ended, 0, demo.stderr());
  const verdict = demo.lines.at(-1) as Record<string, number | string>;
  const { received = 0, applied = 0, superseded = 0, held = 0, parked = 0 } = verdict as Record<string, number>;
  assert.equal(verdict.verdict, 'equal');
  assert.equal(verdict.regions, 3);
  assert.equal(applied + superseded + held + parked, received);
  assert.equal(parked, 4, 'two poison records in two regions');
  for (const name of ['rows', 'conflicts', 'appliedPerSecond', 'lagMsP50', 'lagMsP99'])
    assert.ok(Number(verdict[name]) > 0, `${name} is ${verdict[name]}`);
}

describe('concord demo', () => {
  test('ends with equal regions and leaves nothing behind', async () => {
    const demo = startConcord(folder, ...ARGS);
    await assertEqual(demo);
    const acts = demo.lines.flatMap(({ act }) => (act === undefined ? [] : [String(act)]));
    for (const part of [
      'come up',
      'Everybody writes',
      'is cut off',
      'is back',
      'is killed',
      'poison',
      'disappears',
      'compared',
    ])
      assert.ok(
        acts.some((act) => act.includes(part)),
        part,
      );
    assert.ok(demo.lines.some(({ progress }) => progress !== undefined));
    assertNothingLeft();
  });

  test('Ctrl-C in the middle of it cleans up', async () => {
    const demo = startConcord(folder, ...ARGS);
    await demo.line(hasBegun);
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 130);
    assertNothingLeft();
  });

  test('what a crash left behind is found, said and removed by the next run', async () => {
    const crashed = startConcord(folder, ...ARGS);
    await crashed.line(hasBegun);
    crashed.child.kill('SIGKILL');
    await crashed.ended;
    assert.ok(readdirSync(folder).length > 0);
    const demo = startConcord(folder, ...ARGS);
    const { say } = await demo.line(({ say }) => String(say).startsWith('removed'));
    assert.match(String(say), new RegExp(`process ${crashed.child.pid} .*: 3 servers`));
    await assertEqual(demo);
    assertNothingLeft();
  });
});
