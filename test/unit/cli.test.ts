import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';

const CONCORD = new URL('../../cli/concord.js', import.meta.url).pathname;

function concord(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CONCORD, ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

test('help names the commands for one machine', () => {
  const { code, out } = concord('--help');
  assert.equal(code, 0);
  for (const name of ['local', 'demo']) assert.match(out, new RegExp(`^  ${name} `, 'm'));
});

describe('help of a command lists its options and examples', () => {
  for (const [name, options] of [
    ['local', ['--schema', '--data', '--regions', '--postgres', '--skip-errors', '--json']],
    ['demo', ['--regions', '--seconds', '--seed', '--keep', '--json']],
  ] as const)
    test(name, () => {
      const { code, out } = concord(name, '--help');
      assert.equal(code, 0);
      for (const option of options) assert.ok(out.includes(option), option);
      assert.match(out, new RegExp(`Examples:\\n  concord ${name}`));
    });
});

describe('bad usage starts nothing and exits with 2', () => {
  const cases: [args: string[], says: RegExp][] = [
    [['demo', '--regions', '1'], /--regions <n>.*'1' is invalid.*from 2 to 32/],
    [['demo', '--regions', '33'], /from 2 to 32/],
    [['demo', '--regions', 'many'], /from 2 to 32/],
    [['demo', '--seconds', '0'], /from 1 to 3600/],
    [['demo', '--seconds', '1.5'], /from 1 to 3600/],
    [['demo', '--seed', '-1'], /from 0 to/],
    [['demo', 'now'], /too many arguments/],
    [['local'], /required option '--schema <file.sql>' not specified/],
    [['local', '--schema', 'a.sql', '--postgres', '14'], /Allowed choices are 15, 16, 17, 18/],
    [['local', '--schema', 'a.sql', '--regions', '0'], /from 2 to 32/],
    [['local', 'a.sql'], /required option/],
  ];
  for (const [args, says] of cases)
    test(args.join(' '), () => {
      const { code, out, err } = concord(...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, says);
    });
});
