import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

import { readPrices } from '../../cli/capacity/read-prices.ts';
import type { Failure } from '../../cli/failure.ts';

const CONCORD = new URL('../../cli/concord.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'concord-capacity-'));
after(() => rmSync(folder, { recursive: true }));

function capacity(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CONCORD, 'capacity', ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

const fileWith = (name: string, value: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
};

type Json = { cost: { total: number; lines: { part: string; hub: number }[] }; pricesOf: object };
const jsonOf = (...args: string[]): Json => JSON.parse(capacity(...args, '--json').out);

test('prints rates, ceilings, cost and other means', () => {
  const { code, out, err } = capacity('--writes', '500', '--regions', '8', '--row-bytes', '300');
  assert.deepEqual([code, err], [0, '']);
  for (const text of [
    'Kafka in',
    'connector (Debezium)',
    'event poller units',
    'replication adds',
    'AWS DMS',
    'pgactive',
  ])
    assert.ok(out.includes(text), text);
  assert.doesNotMatch(out, /NaN|undefined|Infinity/);
});

test('what does not fit is named, with what to do', () => {
  const { code, out } = capacity('--writes', '5000', '--regions', '8');
  assert.equal(code, 0);
  assert.match(out, /does not fit: connector \(Debezium\)\n {2}hint: several connectors/);
});

test('every flavour of Kafka, links and database is a finite cost', () => {
  for (const args of [
    ['--kafka', 'express'],
    ['--kafka', 'serverless', '--links', 'mirror'],
    ['--database', 'rds', '--instance', 'db.m7g.2xlarge', '--no-proxy'],
    ['--broker', '4xlarge', '--copy-ratio', '0.3'],
  ])
    assert.ok(jsonOf(...args).cost.total > 0, args.join(' '));
});

describe('prices', () => {
  const base = jsonOf();
  test('as listed are the prices of the table', () => {
    const listed = capacity('--list-prices').out;
    const path = fileWith('listed.json', listed);
    assert.deepEqual(jsonOf('--prices', path), base);
  });

  test('of a file replace those that it names, and where they hold is told', () => {
    const path = fileWith('own.json', {
      version: 1,
      region: 'eu-west-1',
      date: '2027-01',
      prices: { pollerUnit: 0.37 },
    });
    const own = jsonOf('--prices', path);
    const pollers = ({ cost }: Json) => cost.lines.find(({ part }) => part === 'event poller units')?.hub ?? 0;
    assert.equal(pollers(own), 2 * pollers(base));
    assert.deepEqual(own.pricesOf, { region: 'eu-west-1', date: '2027-01' });
    assert.match(capacity('--prices', path).out, /Prices: eu-west-1, 2027-01/);
  });

  const HEAD = { version: 1, region: 'r', date: 'd' };
  const bad: [name: string, value: unknown, says: RegExp][] = [
    ['no JSON', '{', /is not JSON: .*\nhint: start from `concord capacity --list-prices/],
    ['a list', [], /bad\.json \/: is no object/],
    ['another version', { ...HEAD, version: 2, prices: {} }, /\/version: is not 1\n {2}hint: "version": 1/],
    ['no date', { ...HEAD, date: 3, prices: {} }, /\/date: is no text/],
    ['no prices', HEAD, /\/prices: is no object/],
    ['an unknown field', { ...HEAD, prices: {}, currency: 'EUR' }, /\/currency: is unknown/],
    [
      'an unknown price',
      { ...HEAD, prices: { broker: 1 } },
      /\/prices\/broker: is no price of this model\n {2}hint: one of kafkaBroker/,
    ],
    ['a negative price', { ...HEAD, prices: { logs: -1 } }, /\/prices\/logs: -1 is no price/],
    ['a text', { ...HEAD, prices: { logs: { usd: '0.5' } } }, /\/prices\/logs: \{"usd":"0.5"\} is no price/],
  ];
  for (const [name, value, says] of bad)
    test(`${name}: file, path and hint`, () =>
      assert.rejects(readPrices(fileWith('bad.json', value)), (error: Failure) => {
        assert.match(`${error.message}\nhint: ${error.hint}`, says);
        return error.exitCode === 2;
      }));
  test('a file that is not there', () => {
    const { code, err } = capacity('--prices', join(folder, 'none.json'));
    assert.equal(code, 2);
    assert.match(err, /cannot read .*none\.json: ENOENT\nhint: name the file/);
  });
});

describe('bad usage exits with 2', () => {
  const cases: [args: string[], says: RegExp][] = [
    [['--writes', '-1'], /--writes <n>.*from 0\.01 to 1000000/],
    [['--updates', '1.5'], /from 0 to 1/],
    [['--updates', '0.9', '--deletes', '0.2'], /more than all changes\nhint: together at most 1/],
    [['--kafka', 'redpanda'], /Allowed choices are standard, express, serverless/],
    [['--instance', 'r5.large'], /r7g or m7g/],
    [['--instance', 'm7g.large'], /Aurora has no m7g/],
  ];
  for (const [args, says] of cases)
    test(args.join(' '), () => {
      const { code, out, err } = capacity(...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, says);
    });
});

test('help lists every option and examples', () => {
  const { code, out } = capacity('--help');
  assert.equal(code, 0);
  for (const name of [
    '--writes',
    '--regions',
    '--row-bytes',
    '--kafka',
    '--links',
    '--prices',
    '--list-prices',
    '--json',
  ])
    assert.ok(out.includes(name), name);
  assert.match(out, /Examples:\n {2}concord capacity /);
});
