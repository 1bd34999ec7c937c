import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readConfig, readDatabaseConfig, readVariable } from '@concord/runtime';

const TOPOLOGY = JSON.stringify({ version: 1, hub: 'a', regions: [{ name: 'a', slot: 0 }], tables: [] });
const URL_ONLY = { CONCORD_DATABASE_URL: 'postgres://u@h/d' };
const GOOD = { ...URL_ONLY, CONCORD_TOPOLOGY: TOPOLOGY, CONCORD_REGION: 'a', PATH: '/bin' };
const SECRET = { CONCORD_DATABASE_SECRET: 'arn:secret' };
const IAM = { CONCORD_DATABASE_IAM: 'true' };
const WITH_PASSWORD = { CONCORD_DATABASE_URL: 'postgres://u:hunter2@h/d' };

describe('the configuration', () => {
  test('is what the environment says', () => {
    const { region, topology, database } = readConfig(GOOD);
    assert.deepEqual([region, topology.hub], ['a', 'a']);
    assert.deepEqual(database, { url: 'postgres://u@h/d', password: { kind: 'none' }, prepare: false });
    assert.equal(readConfig({ ...GOOD, CONCORD_PREPARE: 'true' }).database.prepare, true);
    assert.equal(readConfig({ ...GOOD, CONCORD_PREPARE: 'false' }).database.prepare, false);
  });

  test('has one source of the password', () => {
    const sourceOf = (more: object) => readDatabaseConfig({ ...URL_ONLY, ...more }).password;
    assert.deepEqual(sourceOf(WITH_PASSWORD), { kind: 'url' });
    assert.deepEqual(sourceOf(SECRET), { kind: 'secret', secretArn: 'arn:secret' });
    assert.deepEqual(sourceOf(IAM), { kind: 'iam' });
    assert.deepEqual(sourceOf({ CONCORD_DATABASE_IAM: 'false' }), { kind: 'none' });
    for (const two of [
      { ...WITH_PASSWORD, ...SECRET },
      { ...SECRET, ...IAM },
      { ...WITH_PASSWORD, ...IAM },
    ])
      assert.throws(() => sourceOf(two), /more than one password.*CONCORD_DATABASE_SECRET.*CONCORD_DATABASE_IAM/);
  });

  test('on Lambda there must be a password', () => {
    assert.throws(() => readConfig({ ...GOOD, LAMBDA_TASK_ROOT: '/var/task' }), /no password.*CONCORD_DATABASE_SECRET/);
    assert.equal(readConfig({ ...GOOD, ...SECRET, LAMBDA_TASK_ROOT: '/var/task' }).region, 'a');
  });

  for (const name of ['CONCORD_DATABASE_URL', 'CONCORD_TOPOLOGY', 'CONCORD_REGION'])
    test(`names ${name} when it is missing or empty`, () => {
      for (const value of [undefined, ''])
        assert.throws(() => readConfig({ ...GOOD, [name]: value }), new RegExp(`configuration: ${name} is missing`));
      assert.throws(() => readVariable(name, { [name]: '' }), new RegExp(name));
    });

  const wrong: [name: string, value: string, message: RegExp][] = [
    ['CONCORD_PREPARE', 'hunter2', /CONCORD_PREPARE is neither/],
    ['CONCORD_DATABASE_IAM', 'hunter2', /CONCORD_DATABASE_IAM is neither/],
    ['CONCORD_DATABASE_URL', 'mysql://u:hunter2@h/d', /CONCORD_DATABASE_URL is not postgres/],
    ['CONCORD_DATABASE_URL', 'hunter2', /CONCORD_DATABASE_URL is not postgres/],
    ['CONCORD_TOPOLOGY', 'hunter2', /CONCORD_TOPOLOGY is not JSON/],
    [
      'CONCORD_TOPOLOGY',
      TOPOLOGY.replace('"hub":"a"', '"hub":"b"'),
      /CONCORD_TOPOLOGY \/hub 'b' is not a region \(one of a\)/,
    ],
  ];
  for (const [name, value, message] of wrong)
    test(`names ${name} when it is ${value.slice(0, 20)}, and does not repeat it`, () =>
      assert.throws(
        () => readConfig({ ...GOOD, [name]: value }),
        (error: Error) => message.test(error.message) && !error.message.includes('hunter2'),
      ));
});

describe('the topology as a file beside the code', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'concord-config-'));
  });
  after(() => rm(folder, { recursive: true }));

  const onLambda = () => ({ ...GOOD, ...SECRET, CONCORD_TOPOLOGY: undefined, LAMBDA_TASK_ROOT: folder });
  test('is read where the environment has none', async () => {
    assert.throws(
      () => readConfig(onLambda()),
      /CONCORD_TOPOLOGY is missing, and topology.json cannot be read: ENOENT/,
    );
    await writeFile(join(folder, 'topology.json'), '{');
    assert.throws(() => readConfig(onLambda()), /topology.json is not JSON/);
    await writeFile(join(folder, 'topology.json'), TOPOLOGY.replaceAll('"a"', '"b"'));
    assert.equal(readConfig(onLambda()).topology.hub, 'b');
  });
  test('gives way to the environment', () => {
    assert.equal(readConfig({ ...onLambda(), CONCORD_TOPOLOGY: TOPOLOGY }).topology.hub, 'a');
  });
});
