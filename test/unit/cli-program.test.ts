import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

const CONCORD = new URL('../../cli/concord.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'concord-cli-'));
after(() => rmSync(folder, { recursive: true }));

function concord(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CONCORD, ...args], { encoding: 'utf8', cwd: folder });
  return { code: status, out: stdout, err: stderr };
}

const fileWith = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

/** Port 1 is nobody's. */
const DEAD = 'postgres://admin:hunter2@127.0.0.1:1/app';

describe('help', () => {
  test('names every command and exits with 0', () => {
    const { code, out, err } = concord('--help');
    assert.deepEqual([code, err], [0, '']);
    for (const name of ['preflight', 'enroll', 'status', 'connector'])
      assert.match(out, new RegExp(`^  ${name} `, 'm'));
  });
  for (const [name, options] of [
    ['preflight', ['--region', '--url', '--topology', '--json']],
    ['enroll', ['--region', '--url', '--other', '--topology', '--lock-timeout', '--unenroll', '--json']],
    ['status', ['--url', '--json']],
    ['connector', ['settings', 'register', 'check']],
    ['connector settings', ['--region', '--database', '--password', '--root-cert', '--topology', '--json']],
    [
      'connector register',
      ['--region', '--connect', '--database', '--replace', '--create-slot', '--topology', '--json'],
    ],
    ['connector check', ['--region', '--connect', '--database', '--kafka', '--topology', '--json']],
  ] as const)
    test(`of ${name} lists its options and an example`, () => {
      const { code, out } = concord(...name.split(' '), '--help');
      assert.equal(code, 0);
      for (const option of options) assert.ok(out.includes(option), option);
      assert.match(out, new RegExp(`Examples?:\\n  concord ${name} `));
    });
});

describe('bad usage exits with 2 and says what to do', () => {
  const cases: [name: string, args: string[], says: RegExp][] = [
    ['no command', [], /Usage: concord/],
    ['an unknown command', ['enrol'], /unknown command 'enrol'/],
    ['an unknown option', ['status', '--url', DEAD, '--urll'], /unknown option '--urll'/],
    ['a missing option', ['status'], /required option '--url <url>' not specified/],
    ['a missing value', ['status', '--url'], /argument missing/],
    ['another URL', ['status', '--url', 'mysql://h/d'], /not one of PostgreSQL\nhint: postgres:\/\//],
    [
      'no topology',
      ['preflight', '--region', 'a', '--url', DEAD],
      /cannot read concord.json: ENOENT\nhint: .*--topology/,
    ],
  ];
  for (const [name, args, says] of cases)
    test(name, () => {
      const { code, out, err } = concord(...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, says);
    });
  test('a topology that is not JSON', () => {
    const path = fileWith('broken.json', '{ "version": 1, }');
    const { code, err } = concord('preflight', '--region', 'a', '--url', DEAD, '--topology', path);
    assert.equal(code, 2);
    assert.match(err, /broken\.json is not JSON: .*\nhint: /);
  });
  test('a topology with faults: each with its path and a hint', () => {
    const path = fileWith(
      'faults.json',
      JSON.stringify({ version: 1, hub: 'b', regions: [{ name: 'a', slot: 99 }], tables: [] }),
    );
    const { code, err } = concord('enroll', '--region', 'a', '--url', DEAD, '--topology', path);
    assert.equal(code, 2);
    assert.match(err, /faults\.json \/hub: 'b' is not a region\n {2}hint: one of a/);
    assert.match(err, /faults\.json \/regions\/0\/slot: slot 99 is not below maxRegions 32\n {2}hint: /);
  });
  test('a lock timeout that is no number', () => {
    const path = fileWith(
      'good.json',
      JSON.stringify({ version: 1, hub: 'a', regions: [{ name: 'a', slot: 0 }], tables: [] }),
    );
    const args = ['enroll', '--region', 'a', '--url', DEAD, '--topology', path, '--lock-timeout'];
    for (const value of ['soon', '-1', '1.5']) {
      const { code, err } = concord(...args, value);
      assert.equal(code, 2, value);
      assert.match(err, /is not a number of milliseconds/);
    }
  });
});

describe('concord connector', () => {
  const path = fileWith(
    'two.json',
    JSON.stringify({ version: 1, hub: 'eu', regions: ['eu', 'us'].map((name, slot) => ({ name, slot })), tables: [] }),
  );
  const of = (name: string, ...args: string[]): ReturnType<typeof concord> =>
    concord('connector', name, '--topology', path, ...args);
  const settingsOf = (...args: string[]): Record<string, string> => {
    const { code, out, err } = of('settings', '--json', ...args);
    assert.deepEqual([code, err], [0, '']);
    return JSON.parse(out);
  };

  test('settings: as lines, and of the database of the URL', () => {
    const { code, out } = of('settings', '--region', 'eu');
    assert.equal(code, 0);
    assert.match(out, /^setting +value\nconnector\.class +io\.debezium/);
    const url = 'postgresql://cap%40ture:hun%2Fter2@db.example/my%20app?sslmode=require';
    const settings = settingsOf('--region', 'us', '--database', url);
    const database = Object.entries(settings).filter(([setting]) => setting.startsWith('database.'));
    assert.deepEqual(Object.fromEntries(database), {
      'database.hostname': 'db.example',
      'database.port': '5432',
      'database.dbname': 'my app',
      'database.user': 'cap@ture',
      'database.password': '***',
      'database.sslmode': 'require',
    });
    assert.equal(settings['slot.name'], 'concord_us');
  });
  test('settings: certificates verify the database', () => {
    const settings = settingsOf(
      '--region',
      'us',
      '--database',
      `${DEAD}?sslmode=verify-full`,
      '--root-cert',
      '/ca.pem',
    );
    assert.deepEqual([settings['database.sslmode'], settings['database.sslrootcert']], ['verify-full', '/ca.pem']);
  });
  const bad: [name: string, args: string[], says: RegExp][] = [
    ['another region', ['settings', '--region', 'mars'], /'mars' is not in the topology\nhint: one of eu, us/],
    [
      'another database',
      ['settings', '--region', 'eu', '--database', 'mysql://a:hunter2@h/d'],
      /not one of PostgreSQL/,
    ],
    ['no URL', ['settings', '--region', 'eu', '--database', 'a:hunter2@h'], /not one of PostgreSQL/],
    [
      'no certificates',
      ['settings', '--region', 'eu', '--database', `${DEAD}?sslmode=verify-full`],
      /verifies nothing/,
    ],
    ['no database', ['register', '--region', 'eu', '--connect', 'http://h'], /'--database <url>' not specified/],
    [
      'another Connect',
      ['check', '--region', 'eu', '--connect', 'h:8083', '--database', DEAD],
      /not one of a Connect worker/,
    ],
  ];
  for (const [name, [command = '', ...args], says] of bad)
    test(`${name} exits with 2`, () => {
      const { code, out, err } = of(command, ...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, says);
      assert.ok(!err.includes('hunter2'));
    });
  test('a worker that is away exits with 1 and a hint', () => {
    const { code, out, err } = of('check', '--region', 'eu', '--connect', 'http://127.0.0.1:1', '--database', DEAD);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /no answer from Connect at http:\/\/127\.0\.0\.1:1: .*\nhint: is the worker up/);
  });
});

test('a database that is away exits with 1 and a hint', () => {
  const { code, out, err } = concord('status', '--url', DEAD);
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /ECONNREFUSED[^\n]*\nhint: is the database up/);
});

describe('a password is never printed', () => {
  const cases: string[][] = [
    ['status', '--url', DEAD],
    ['status', '--url', DEAD.replace(':1/', ':99999/')],
    ['status', '--url', DEAD.replace('postgres:', 'mysql:')],
    ['status', '--url', DEAD, `--urll=${DEAD}`],
    ['status', DEAD],
    ['status', '--url', DEAD, DEAD],
    [DEAD],
  ];
  for (const args of cases)
    test(args.join(' ').replaceAll('hunter2', '…'), () => {
      const { code, out, err } = concord(...args);
      assert.notEqual(code, 0);
      assert.match(err, /^error: /);
      assert.ok(!`${out}${err}`.includes('hunter2'), err);
    });
});
